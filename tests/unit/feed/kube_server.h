/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The scripted API server (tests/tools/kube_server.py) on loopback for the tests of feed/kube*: started,
 * told what to do by its control socket, and ended with the test whatever happens. Needs cmocka.h,
 * setjmp.h and so on before it.
 */
#ifndef TESTS_FEED_KUBE_SERVER_H
#define TESTS_FEED_KUBE_SERVER_H

#include <curl/curl.h>
#include <errno.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "tempdir.h"

#define KUBE_SERVER TEST_DATA "/../tools/kube_server.py"
#define KUBE_PATIENCE_MS 20000

struct kube_server {
	pid_t pid;
	int port;
	char control[TEMP_PATH_MAX], log[TEMP_PATH_MAX], kubeconfig[TEMP_PATH_MAX];
	char reply[65536];
};

static inline uint64_t kube_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ca.pem; server.pem and server.key for 127.0.0.1 and api.test; other.pem and other.key for elsewhere.test. */
static inline void kube_certs(void)
{
	assert_int_equal(temp_run(
		"cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
		"-keyout ca.key -out ca.pem -subj /CN=test-ca 2>openssl.log && "
		"sign() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout $1.key "
		"-out $1.csr -subj /CN=$1 2>>openssl.log && echo subjectAltName=$2 >ext && openssl x509 -req "
		"-in $1.csr -CA ca.pem -CAkey ca.key -set_serial $3 -days 2 -extfile ext -out $1.pem "
		"2>>openssl.log; } && sign server IP:127.0.0.1,DNS:api.test 7 && sign other DNS:elsewhere.test 8 && "
		"sign client DNS:client 9", temp_root), 0);
}

/* Writes the kubeconfig with further lines below its cluster and its user. */
static inline void kube_config(struct kube_server *s, const char *scheme, const char *cluster,
			       const char *user)
{
	FILE *file = fopen(s->kubeconfig, "we");

	assert_non_null(file);
	fprintf(file, "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
		"clusters:\n- name: k\n  cluster:\n    server: %s://127.0.0.1:%d\n%s"
		"users:\n- name: u\n  user:\n    x: y\n%s", scheme, s->port, cluster, user);
	fclose(file);
}

/* @arguments: of the server, NULL-terminated; files below temp_root must be given whole. */
static inline void kube_start(struct kube_server *s, const char *const *arguments)
{
	const char *argv[24] = { KUBE_SERVER, "--control", s->control };
	uint64_t until = kube_now_ms() + KUBE_PATIENCE_MS;
	size_t n = 3;

	memset(s, 0, sizeof(*s));
	snprintf(s->control, sizeof(s->control), "%s/control", temp_root);
	snprintf(s->log, sizeof(s->log), "%s/server.log", temp_root);
	snprintf(s->kubeconfig, sizeof(s->kubeconfig), "%s/kubeconfig", temp_root);
	for (; *arguments; arguments++)
		argv[n++] = *arguments;
	unlink(s->log);
	s->pid = fork();
	assert_true(s->pid >= 0);
	if (!s->pid) {
		int fd = open(s->log, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fd, 1);
		dup2(fd, 2);
		execv(argv[0], (char **)argv);
		_exit(127);
	}
	while (!s->port && kube_now_ms() < until) {
		FILE *file = fopen(s->log, "re");

		char newline = 0;

		if (file && (fscanf(file, "ready %d%c", &s->port, &newline) != 2 || newline != '\n'))
			s->port = 0;
		if (file)
			fclose(file);
		nanosleep(&(struct timespec){ .tv_nsec = 5 * 1000 * 1000 }, NULL);
	}
	if (!s->port)
		fail_msg("%s does not start: see %s", KUBE_SERVER, s->log);
	kube_config(s, "http", "", "");
}

static inline void kube_stop(struct kube_server *s)
{
	if (s->pid <= 0)
		return;
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	s->pid = 0;
}

static inline size_t kube_reply(char *data, size_t size, size_t n, void *user)
{
	struct kube_server *s = user;
	size_t had = strlen(s->reply);

	if (had + n >= sizeof(s->reply))
		return 0;
	memcpy(s->reply + had, data, n);
	s->reply[had + n] = '\0';
	return n;
}

/* A call of the control socket; @json NULL = GET. */
static inline void kube_do(struct kube_server *s, const char *path, const char *json)
{
	CURL *easy = curl_easy_init();
	char url[256];
	long status = 0;

	snprintf(url, sizeof(url), "http://control%s", path);
	s->reply[0] = '\0';
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, s->control);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 10000L);
	if (json)
		curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, json);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, kube_reply);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, s);
	if (!curl_easy_perform(easy))
		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(easy);
	if (status != 200)
		fail_msg("control %s %s: HTTP %ld %s", path, json ? json : "", status, s->reply);
}

/* "asked", "nodes list" of the server's state; 0 = it is not there. */
static inline int kube_count(struct kube_server *s, const char *a, const char *b)
{
	struct json_object *root, *v = NULL;
	int n = 0;

	kube_do(s, "/state", NULL);
	root = json_tokener_parse(s->reply);
	if (json_object_object_get_ex(root, a, &v) && json_object_object_get_ex(v, b, &v))
		n = json_object_get_int(v);
	json_object_put(root);
	return n;
}

static inline void kube_apply_node(struct kube_server *s, const char *name, const char *cidr)
{
	char json[512];

	snprintf(json, sizeof(json), "{\"kind\":\"Node\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"%s\"},"
		 "\"spec\":{\"podCIDRs\":[\"%s\"]},\"status\":{\"addresses\":[{\"type\":\"InternalIP\","
		 "\"address\":\"192.0.2.7\"}]}}", name, cidr);
	kube_do(s, "/apply", json);
}

static inline void kube_delete(struct kube_server *s, const char *resource, const char *space,
			       const char *name)
{
	char json[512];

	snprintf(json, sizeof(json), "{\"resource\":\"%s\",\"namespace\":\"%s\",\"name\":\"%s\"}", resource,
		 space, name);
	kube_do(s, "/delete", json);
}

#endif
