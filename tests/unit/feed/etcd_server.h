/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A real etcd on loopback for the tests of feed/: free ports, a folder below temp_root, plain or TLS
 * with certificates of its own, users and roles; frozen, killed, restarted, wiped. It ends with the
 * test whatever happens. Seeds go by the JSON gateway on a plain second port, so that what is tested
 * (gRPC) is not what it is tested with. Needs cmocka.h, setjmp.h and so on before it.
 */
#ifndef TESTS_FEED_ETCD_SERVER_H
#define TESTS_FEED_ETCD_SERVER_H

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "tempdir.h"

#define ETCD_PATIENCE_MS 20000

struct etcd_server_options {
	bool tls;               /* https, and client certificates are demanded */
	const char *extra[8];   /* more arguments of etcd, NULL-terminated */
};

struct etcd_server {
	struct etcd_server_options options;
	pid_t pid;
	int port, admin_port, peer_port;
	unsigned int life;      /* counts wipes: another life is another cluster id */
	char dir[TEMP_PATH_MAX];
	char url[64], admin[64]; /* what is tested; the plain one for seeds */
	char token[256];        /* of root, when auth is on */
	char reply[65536];
};

static inline uint64_t etcd_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static inline void etcd_nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 10 * 1000 * 1000 }, NULL);
}

/* A port of loopback that nobody has now. */
static inline int etcd_free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	close(fd);
	return ntohs(a.sin_port);
}

/* ---- certificates: openssl, once per folder ------------------------------------------------- */

/* A CA named @ca: @ca.pem and @ca.key in temp_root. */
static inline void etcd_make_ca(const char *ca)
{
	if (!access(temp("openssl.cnf"), F_OK))
		goto made;
	temp_write("openssl.cnf", "[req]\ndistinguished_name=dn\nx509_extensions=ca\n[dn]\n"
		   "[ca]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,cRLSign\n");
made:
	assert_int_equal(temp_run("cd %s && openssl ecparam -name prime256v1 -genkey -noout -out %s.key && "
				  "openssl req -config openssl.cnf -new -x509 -days 2 -key %s.key "
				  "-subj /CN=test-%s -out %s.pem 2>openssl.log", temp_root, ca, ca, ca, ca), 0);
}

/*
 * @name.pem and @name.key in temp_root, signed by @ca, for @cn, valid for @san ("IP:127.0.0.1,DNS:a"; NULL =
 * none). @expired: it was valid until yesterday.
 */
static inline void etcd_make_cert(const char *ca, const char *name, const char *cn, const char *san,
				  bool expired)
{
	char text[512];

	snprintf(text, sizeof(text), "extendedKeyUsage=serverAuth,clientAuth\n%s%s\n",
		 san ? "subjectAltName=" : "", san ? san : "");
	temp_write("ext.cnf", text);
	assert_int_equal(temp_run(
		"cd %s && openssl ecparam -name prime256v1 -genkey -noout -out %s.key && "
		"openssl req -config openssl.cnf -new -key %s.key -subj '/CN=%s' -out %s.csr 2>openssl.log && "
		"sign() { openssl x509 -req -in %s.csr -CA %s.pem -CAkey %s.key -set_serial $$ "
		"-extfile ext.cnf -out %s.pem \"$@\" 2>>openssl.log; } && "
		"if %s; then sign -days -1 || sign -not_before 20200101000000Z -not_after 20200102000000Z; "
		"else sign -days 2; fi", temp_root, name, name, cn, name, name, ca, ca, name,
		expired ? "true" : "false"), 0);
}

/* ca.pem; server.pem for 127.0.0.1, localhost and etcd.test; client.pem with the CN "remote". */
static inline void etcd_make_certs(void)
{
	if (!access(temp("client.pem"), F_OK))
		return;
	etcd_make_ca("ca");
	etcd_make_cert("ca", "server", "server", "IP:127.0.0.1,DNS:localhost,DNS:etcd.test", false);
	etcd_make_cert("ca", "client", "remote", NULL, false);
}

/* ---- the gateway ---------------------------------------------------------------------------- */

static inline size_t etcd_reply(char *data, size_t size, size_t n, void *user)
{
	struct etcd_server *s = user;
	size_t had = strlen(s->reply);

	if (had + n >= sizeof(s->reply))
		return 0;
	memcpy(s->reply + had, data, n);
	s->reply[had + n] = '\0';
	return n;
}

/* POST @json to @path of the plain port: HTTP's status (0: no answer); the answer is in s->reply. */
static inline long etcd_post(struct etcd_server *s, const char *path, const char *json)
{
	struct curl_slist *headers = NULL;
	CURL *easy = curl_easy_init();
	char url[256], auth[300];
	long status = 0;

	assert_non_null(easy);
	snprintf(url, sizeof(url), "%s%s", s->admin, path);
	s->reply[0] = '\0';
	if (*s->token) {
		snprintf(auth, sizeof(auth), "Authorization: %s", s->token);
		headers = curl_slist_append(headers, auth);
	}
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 10000L);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, json);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, etcd_reply);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, s);
	if (!curl_easy_perform(easy))
		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(easy);
	curl_slist_free_all(headers);
	return status;
}

static inline void etcd_must(struct etcd_server *s, const char *path, const char *json)
{
	long status = etcd_post(s, path, json);

	if (status != 200)
		fail_msg("etcd %s %s: HTTP %ld %s", path, json, status, s->reply);
}

/* The number at @a.@b (@b may be NULL) of the last answer; the gateway writes 64 bits as text. */
static inline int64_t etcd_replied(const struct etcd_server *s, const char *a, const char *b)
{
	struct json_object *root = json_tokener_parse(s->reply), *v = NULL;
	int64_t n = 0;

	if (json_object_object_get_ex(root, a, &v) && (!b || json_object_object_get_ex(v, b, &v)))
		n = json_object_get_int64(v);
	json_object_put(root);
	return n;
}

static inline char *etcd_base64(const void *data, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *in = data;
	char *text = malloc(len / 3 * 4 + 5), *at = text;

	assert_non_null(text);
	for (size_t i = 0; i < len; i += 3) {
		uint32_t v = (uint32_t)in[i] << 16 | (i + 1 < len ? (uint32_t)in[i + 1] << 8 : 0) |
			     (i + 2 < len ? in[i + 2] : 0);

		*at++ = digits[v >> 18];
		*at++ = digits[v >> 12 & 63];
		*at++ = i + 1 < len ? digits[v >> 6 & 63] : '=';
		*at++ = i + 2 < len ? digits[v & 63] : '=';
	}
	*at = '\0';
	return text;
}

/* All of these return the store's revision afterwards. */
static inline int64_t etcd_put_bytes(struct etcd_server *s, const char *key, const void *value,
				     size_t len)
{
	char *k = etcd_base64(key, strlen(key)), *v = etcd_base64(value, len), *json;

	assert_true(asprintf(&json, "{\"key\":\"%s\",\"value\":\"%s\"}", k, v) > 0);
	etcd_must(s, "/v3/kv/put", json);
	free(json);
	free(k);
	free(v);
	return etcd_replied(s, "header", "revision");
}

static inline int64_t etcd_put(struct etcd_server *s, const char *key, const char *value)
{
	return etcd_put_bytes(s, key, value, strlen(value));
}

/* @prefix: all keys that begin with @key. */
static inline int64_t etcd_erase(struct etcd_server *s, const char *key, bool prefix)
{
	char *k = etcd_base64(key, strlen(key)), end[256], *e, *json;

	snprintf(end, sizeof(end), "%s", key);
	end[strlen(end) - 1]++;
	e = etcd_base64(end, strlen(end));
	assert_true(asprintf(&json, "{\"key\":\"%s\"%s%s%s}", k, prefix ? ",\"range_end\":\"" : "",
			     prefix ? e : "", prefix ? "\"" : "") > 0);
	etcd_must(s, "/v3/kv/deleterange", json);
	free(json);
	free(k);
	free(e);
	return etcd_replied(s, "header", "revision");
}

static inline int64_t etcd_revision(struct etcd_server *s)
{
	etcd_must(s, "/v3/kv/range", "{\"key\":\"AA==\",\"count_only\":true}");
	return etcd_replied(s, "header", "revision");
}

/* How many keys begin with @prefix. */
static inline int64_t etcd_count(struct etcd_server *s, const char *prefix)
{
	char end[256], *k, *e, *json;

	snprintf(end, sizeof(end), "%s", prefix);
	end[strlen(end) - 1]++;
	k = etcd_base64(prefix, strlen(prefix));
	e = etcd_base64(end, strlen(end));
	assert_true(asprintf(&json, "{\"key\":\"%s\",\"range_end\":\"%s\",\"count_only\":true}", k, e) > 0);
	etcd_must(s, "/v3/kv/range", json);
	free(json);
	free(k);
	free(e);
	return etcd_replied(s, "count", NULL);
}

static inline void etcd_compact(struct etcd_server *s, int64_t revision)
{
	char json[64];

	snprintf(json, sizeof(json), "{\"revision\":\"%jd\",\"physical\":true}", (intmax_t)revision);
	etcd_must(s, "/v3/kv/compaction", json);
}

/* A user who may read and write what begins with @prefix. @password NULL: only by certificate. */
static inline void etcd_add_user(struct etcd_server *s, const char *user, const char *password,
				 const char *prefix)
{
	char json[512], end[256], *k, *e;

	if (password)
		snprintf(json, sizeof(json), "{\"name\":\"%s\",\"password\":\"%s\"}", user, password);
	else
		snprintf(json, sizeof(json), "{\"name\":\"%s\",\"options\":{\"no_password\":true}}", user);
	etcd_must(s, "/v3/auth/user/add", json);
	snprintf(json, sizeof(json), "{\"name\":\"role-%s\"}", user);
	etcd_must(s, "/v3/auth/role/add", json);
	snprintf(end, sizeof(end), "%s", prefix);
	end[strlen(end) - 1]++;
	k = etcd_base64(prefix, strlen(prefix));
	e = etcd_base64(end, strlen(end));
	snprintf(json, sizeof(json), "{\"name\":\"role-%s\",\"perm\":{\"permType\":\"READWRITE\","
		 "\"key\":\"%s\",\"range_end\":\"%s\"}}", user, k, e);
	free(k);
	free(e);
	etcd_must(s, "/v3/auth/role/grant", json);
	snprintf(json, sizeof(json), "{\"user\":\"%s\",\"role\":\"role-%s\"}", user, user);
	etcd_must(s, "/v3/auth/user/grant", json);
}

/* Tokens do not outlive the process that gave them. */
static inline void etcd_login(struct etcd_server *s)
{
	struct json_object *root, *token;

	s->token[0] = '\0';
	etcd_must(s, "/v3/auth/authenticate", "{\"name\":\"root\",\"password\":\"root\"}");
	root = json_tokener_parse(s->reply);
	assert_true(json_object_object_get_ex(root, "token", &token));
	snprintf(s->token, sizeof(s->token), "%s", json_object_get_string(token));
	json_object_put(root);
}

/* root's password is "root"; seeds go on as root. */
static inline void etcd_enable_auth(struct etcd_server *s)
{
	etcd_must(s, "/v3/auth/user/add", "{\"name\":\"root\",\"password\":\"root\"}");
	if (etcd_post(s, "/v3/auth/role/add", "{\"name\":\"root\"}") != 200)
		assert_non_null(strstr(s->reply, "already exists"));
	etcd_must(s, "/v3/auth/user/grant", "{\"user\":\"root\",\"role\":\"root\"}");
	etcd_must(s, "/v3/auth/enable", "{}");
	etcd_login(s);
}

/* ---- the process ---------------------------------------------------------------------------- */

static inline void etcd_spawn(struct etcd_server *s)
{
	char data[TEMP_PATH_MAX + 8], log[TEMP_PATH_MAX + 8], listen_on[160], peer[64], cluster[80], token[16];
	char cert[TEMP_PATH_MAX], key[TEMP_PATH_MAX], ca[TEMP_PATH_MAX];
	const char *argv[48] = {
		"etcd", "--name", "t", "--data-dir", data, "--listen-client-urls", listen_on,
		"--advertise-client-urls", listen_on, "--listen-peer-urls", peer,
		"--initial-advertise-peer-urls", peer, "--initial-cluster", cluster,
		"--initial-cluster-token", token, "--logger", "zap", "--log-level", "error",
		"--log-outputs", "stderr",
	};
	size_t n = 0;

	while (argv[n])
		n++;
	snprintf(data, sizeof(data), "%s/data", s->dir);
	snprintf(log, sizeof(log), "%s/log", s->dir);
	snprintf(s->url, sizeof(s->url), "%s://127.0.0.1:%d", s->options.tls ? "https" : "http", s->port);
	snprintf(s->admin, sizeof(s->admin), "http://127.0.0.1:%d", s->admin_port);
	snprintf(listen_on, sizeof(listen_on), "%s,%s", s->url, s->admin);
	snprintf(peer, sizeof(peer), "http://127.0.0.1:%d", s->peer_port);
	snprintf(cluster, sizeof(cluster), "t=%s", peer);
	snprintf(token, sizeof(token), "life-%u", s->life);
	if (s->options.tls) {
		snprintf(cert, sizeof(cert), "%s", temp("server.pem"));
		snprintf(key, sizeof(key), "%s", temp("server.key"));
		snprintf(ca, sizeof(ca), "%s", temp("ca.pem"));
		argv[n++] = "--cert-file";
		argv[n++] = cert;
		argv[n++] = "--key-file";
		argv[n++] = key;
		argv[n++] = "--trusted-ca-file";
		argv[n++] = ca;
		argv[n++] = "--client-cert-auth";
	}
	for (size_t i = 0; i < ARRAY_SIZE(s->options.extra) && s->options.extra[i]; i++)
		argv[n++] = s->options.extra[i];

	s->pid = fork();
	assert_true(s->pid >= 0);
	if (!s->pid) {
		int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fd, 1);
		dup2(fd, 2);
		execvp("etcd", (char **)argv);
		_exit(127);
	}
}

/* True when it is well; false when it has ended (a port was taken in between). */
static inline bool etcd_await(struct etcd_server *s)
{
	uint64_t until = etcd_now_ms() + ETCD_PATIENCE_MS;
	int status;

	while (etcd_now_ms() < until) {
		if (waitpid(s->pid, &status, WNOHANG) == s->pid) {
			s->pid = 0;
			if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
				fail_msg("no etcd here: install etcd-server");
			return false;
		}
		/* A range asks a leader for its word; 200 comes only when there is one. With auth on, 401. */
		switch (etcd_post(s, "/v3/kv/range", "{\"key\":\"AA==\",\"count_only\":true}")) {
		case 200:
		case 400:
		case 401:
		case 403:
			return true;
		}
		etcd_nap();
	}
	fail_msg("etcd is not well after %d ms: see %s/log", ETCD_PATIENCE_MS, s->dir);
	return false;
}

static inline void etcd_kill(struct etcd_server *s)
{
	if (s->pid <= 0)
		return;
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	s->pid = 0;
}

/* On the ports that it had, with the data that it had. */
static inline void etcd_restart(struct etcd_server *s)
{
	uint64_t until = etcd_now_ms() + ETCD_PATIENCE_MS;

	etcd_kill(s);
	do {
		etcd_spawn(s);
		if (etcd_await(s)) {
			if (*s->token)
				etcd_login(s);
			return;
		}
	} while (etcd_now_ms() < until);
	fail_msg("etcd does not start again: see %s/log", s->dir);
}

/* As a store that was replaced: another cluster id, revision 1, no users. It runs afterwards. */
static inline void etcd_wipe(struct etcd_server *s)
{
	etcd_kill(s);
	assert_int_equal(temp_run("rm -rf %s/data", s->dir), 0);
	s->life++;
	s->token[0] = '\0';
	etcd_restart(s);
}

/* It neither answers nor ends connections, as behind a partition. */
static inline void etcd_freeze(struct etcd_server *s)
{
	assert_int_equal(kill(s->pid, SIGSTOP), 0);
}

static inline void etcd_thaw(struct etcd_server *s)
{
	assert_int_equal(kill(s->pid, SIGCONT), 0);
}

/* @name: of its folder below temp_root. @options may be NULL: plain. */
static inline void etcd_start(struct etcd_server *s, const char *name,
			      const struct etcd_server_options *options)
{
	memset(s, 0, sizeof(*s));
	if (options)
		s->options = *options;
	snprintf(s->dir, sizeof(s->dir), "%s", temp(name));
	temp_mkdir(name);
	if (s->options.tls)
		etcd_make_certs();
	for (int tries = 0; tries < 5; tries++) {
		s->port = etcd_free_port();
		s->admin_port = etcd_free_port();
		s->peer_port = etcd_free_port();
		etcd_spawn(s);
		if (etcd_await(s))
			return;
		temp_run("rm -rf %s/data", s->dir);
	}
	fail_msg("etcd does not start: see %s/log", s->dir);
}

static inline void etcd_end(struct etcd_server *s)
{
	etcd_kill(s);
	temp_run("rm -rf %s", s->dir);
}

#endif
