/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * doctor: each source of each cluster, step by step: DNS and TCP to every endpoint by sockets of our
 * own, then TLS, credentials, rights and objects by the transport itself.
 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "cli/agentview.h"
#include "cli/doctor.h"
#include "core/defs.h"
#include "feed/cilium_config.h"
#include "feed/feed.h"
#include "feed/kubeconfig.h"

#define CONNECT_MS 3000
#define READ_MS 15000

int doctor_url(const char *url, char ret_host[256], char ret_port[6])
{
	bool tls = !strncmp(url, "https://", 8);
	const char *host = strstr(url, "://"), *end, *port = tls ? "443" : "80";
	size_t len, port_len;

	if (!host)
		return -EINVAL;
	host += 3;
	if (*host == '[') {
		host++;
		end = strchr(host, ']');
		if (!end)
			return -EINVAL;
		len = (size_t)(end++ - host);
	} else {
		len = strcspn(host, ":/");
		end = host + len;
	}
	if (*end == ':')
		port = end + 1;
	port_len = strcspn(port, "/");
	if (!len || len > 255 || !port_len || port_len > 5)
		return -EINVAL;
	snprintf(ret_host, 256, "%.*s", (int)len, host);
	snprintf(ret_port, 6, "%.*s", (int)port_len, port);
	return 0;
}

/* 0 or -errno of connect(2). */
static int try_connect(const struct addrinfo *ai)
{
	auto_close int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int error = 0;

	if (fd < 0)
		return -errno;
	if (!connect(fd, ai->ai_addr, ai->ai_addrlen))
		return 0;
	if (errno != EINPROGRESS)
		return -errno;
	if (poll(&pfd, 1, CONNECT_MS) <= 0)
		return -ETIMEDOUT;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	return -error;
}

static const char *tcp_hint(int code)
{
	switch (-code) {
	case ECONNREFUSED:
		return "nothing listens there";
	case ETIMEDOUT:
		return "no answer within 3 s: a firewall, or the host is off";
	case ENETUNREACH:
	case EHOSTUNREACH:
		return "no route leads there";
	}
	return strerror(-code);
}

/* False: this endpoint cannot be reached. */
static bool look_at_endpoint(struct doctor *d, const char *cluster, const char *url)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	char host[256], port[6], subject[400];
	int code;

	snprintf(subject, sizeof(subject), "%s %s", cluster, url);
	if (doctor_url(url, host, port)) {
		doctor_row(d, "feed dns", subject, DOCTOR_BAD, "is not a URL with host and port");
		return false;
	}
	code = getaddrinfo(host, port, &hints, &list);
	if (code) {
		doctor_row(d, "feed dns", subject, DOCTOR_BAD, "%s: %s: correct the name, or /etc/resolv.conf",
			   host, gai_strerror(code));
		return false;
	}
	doctor_row(d, "feed dns", subject, DOCTOR_OK, "%s is known", host);
	for (struct addrinfo *ai = list; ai; ai = ai->ai_next) {
		code = try_connect(ai);
		if (!code)
			break;
	}
	freeaddrinfo(list);
	if (code)
		doctor_row(d, "feed tcp", subject, DOCTOR_BAD, "port %s: %s", port, tcp_hint(code));
	else
		doctor_row(d, "feed tcp", subject, DOCTOR_OK, "port %s takes connections", port);
	if (!code && !strncmp(url, "http://", 7))
		doctor_row(d, "feed tls", subject, DOCTOR_WARN, "is not encrypted: use https://");
	return !code;
}

/* What stands for which step, after DNS and TCP: see feed/http.h and feed/etcd_rpc.h. */
static const char *step_of(int code)
{
	switch (-code) {
	case EPROTO:
		return "feed tls";
	case EKEYREJECTED:
		return "feed auth";
	case EACCES:
	case EPERM:
		return "feed rights";
	}
	return "feed read";
}

static void look_at_objects(struct doctor *d, const struct config_cluster *cluster,
			    const struct config_source *source, const char *subject)
{
	struct snapshot *snapshot = NULL;
	struct err err = { 0 };
	int code = feed_read(source, cluster->name, cluster->id, READ_MS, &snapshot, &err);

	if (code) {
		doctor_row(d, step_of(code), subject, DOCTOR_BAD, "%s", err.text);
		return;
	}
	doctor_row(d, "feed read", subject, DOCTOR_OK,
		   "%zu nodes, %zu services, %zu slices, revision %s", snapshot->n_nodes,
		   snapshot->counts.services, snapshot->n_slices, snapshot->revision);
	for (size_t i = 0; i < snapshot->n_warnings; i++)
		doctor_row(d, "feed objects", subject, DOCTOR_WARN, "%s", snapshot->warnings[i]);
	snapshot_free(snapshot);
}

/* False: none of them can be reached. */
static bool look_at_endpoints(struct doctor *d, const char *cluster, const struct config_etcd *etcd)
{
	bool reached = false;

	for (size_t i = 0; i < etcd->n_endpoints; i++)
		reached |= look_at_endpoint(d, cluster, etcd->endpoints[i]);
	return reached;
}

/* Through a proxy the server's own name and port say nothing. */
static bool look_at_api_server(struct doctor *d, const char *cluster, const struct config_source *source)
{
	struct kubeconfig *config;
	bool reached = true;

	/* Of a file that cannot be read, and of a pod's own account, the transport tells. */
	if (!source->kubeconfig || kubeconfig_load(source->kubeconfig, source->context, &config, NULL))
		return true;
	if (!config->proxy)
		reached = look_at_endpoint(d, cluster, config->server);
	kubeconfig_free(config);
	return reached;
}

static void look_at_source(struct doctor *d, const struct config_cluster *cluster,
			   const struct config_source *source)
{
	auto_free char *origin = feed_origin(source);
	struct config_etcd *client;
	char subject[400];
	bool reached = true;

	snprintf(subject, sizeof(subject), "%s %s", cluster->name, origin ? origin : "");
	if (source->kind == CONFIG_SOURCE_ETCD) {
		reached = look_at_endpoints(d, cluster->name, &source->etcd);
	} else if (source->kind == CONFIG_SOURCE_CILIUM && !cilium_config_read(source->cilium, &client, NULL)) {
		/* Of a file that cannot be read, the transport tells. */
		reached = look_at_endpoints(d, cluster->name, client);
		cilium_config_free(client);
	} else if (source->kind == CONFIG_SOURCE_KUBERNETES) {
		reached = look_at_api_server(d, cluster->name, source);
	}
	if (reached)
		look_at_objects(d, cluster, source, subject);
	else
		doctor_row(d, "feed read", subject, DOCTOR_SKIPPED, "no endpoint can be reached");
}

/* What the agent has of it: an own reading may be well while the agent's stands still. */
static void look_at_age(struct doctor *d, const char *cluster, const json_object *status)
{
	const json_object *feeds = agentview_member(status, "feeds");
	size_t n = json_object_is_type(feeds, json_type_array) ? json_object_array_length(feeds) : 0;

	for (size_t i = 0; i < n; i++) {
		const json_object *f = json_object_array_get_idx(feeds, i);
		const char *state = agentview_text(f, "state"), *error = agentview_text(f, "error");

		if (strcmp(agentview_text(f, "cluster"), cluster))
			continue;
		if (!strcmp(state, "ok"))
			doctor_row(d, "feed age", cluster, DOCTOR_OK, "the agent's is %llu s old",
				   (unsigned long long)agentview_number(f, "age_s"));
		else
			doctor_row(d, "feed age", cluster, DOCTOR_BAD, "the agent says: %s%s%s", state,
				   *error ? ": " : "", error);
	}
}

void doctor_feeds(struct doctor *d, const json_object *status)
{
	for (size_t i = 0; i <= d->config->n_peers; i++) {
		const struct config_cluster *c = i ? &d->config->peers[i - 1] : &d->config->own;

		for (size_t k = 0; k < c->n_sources; k++)
			look_at_source(d, c, &c->sources[k]);
		if (status && c->n_sources)
			look_at_age(d, c->name, status);
	}
}
