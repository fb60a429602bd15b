/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How long one scrape of /metrics takes, from the connection to the last byte: the agent's own HTTP server
 * and text, on one loop with a worker, over real maps of 250 clusters and 1 000 services whose table
 * of latency is full. Namespaces and a BPF file system of its own. One JSON line; worker_cpu_ms is what
 * the text alone takes, by the thread's own clock.
 * Not for: what the text says (tests/e2e/metrics.sh, tests/unit/agent/metrics.c).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "agent/http.h"
#include "agent/metrics.h"
#include "model/latency.h"
#include "plane/balance.h"
#include "plane/latency.h"

#define N_CLUSTERS 250
#define N_NODES 4 /* of each cluster */
#define N_SERVICES 1000
#define ROUNDS 51
#define PORT 19964

static double clock_ms(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double now_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void need(int code, const char *what)
{
	if (!code)
		return;
	fprintf(stderr, "scrape_bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- a mesh in the maps ---- */

static struct service *make_service(uint32_t i)
{
	struct service *s = calloc(1, sizeof(*s));

	snprintf(s->space, sizeof(s->space), "team-%u", i % 20);
	snprintf(s->name, sizeof(s->name), "service-%05u", i);
	s->version = 1;
	s->n_backends = s->n_pools = 1;
	s->backends = calloc(1, sizeof(*s->backends));
	s->pools = calloc(1, sizeof(*s->pools));
	s->pools->n_targets = s->pools->n_frontends = 1;
	s->pools->targets = calloc(1, sizeof(*s->pools->targets));
	*s->pools->targets = (struct service_target){ 0, 1 };
	*s->backends = (struct service_backend){ .addr = xm_addr_v4(htonl(0x0a000000 + i)), .port = 8080,
						 .proto = 6, .cluster = 1, .node = 1, .state = XM_BACKEND_ACTIVE };
	s->pools->frontends = calloc(1, sizeof(*s->pools->frontends));
	s->pools->frontends->key = (struct xm_service_key){
		.addr = xm_addr_v4(htonl(0x0b000000 + i)), .port = htons(80), .proto = 6, .cluster = 1 };
	return s;
}

static int put_services(const struct plane *plane, struct err *err)
{
	static struct service *services[N_SERVICES];
	struct balance_result result;
	struct balance *balance;
	int code;

	for (uint32_t i = 0; i < N_SERVICES; i++)
		services[i] = make_service(i);
	code = balance_new(plane, 0, &balance, err);
	if (code)
		return code;
	code = balance_sync(balance, (const struct service *const *)services, N_SERVICES, 0, 1, &result, err);
	balance_result_done(&result);
	balance_free(balance);
	return code;
}

static void put_cluster(const struct plane *plane, uint16_t id)
{
	const struct xm_probe_stat stat = { .asked = 1000, .lost = 1 };
	struct xm_cluster cluster = { .revision = "0123456789abcdef" };
	struct xm_node_name node = { .cluster = id };
	struct err err;

	snprintf(cluster.name, sizeof(cluster.name), "cluster-%u", id);
	need(bpf_map_update_elem(plane->map_fd[PLANE_xm_clusters], &(uint32_t){ id }, &cluster, BPF_ANY),
	     "xm_clusters");
	for (uint32_t k = 0; k < N_NODES; k++) {
		uint32_t number = 1 + (id - 1) * N_NODES + k;

		snprintf(node.name, sizeof(node.name), "cluster-%u-node-%u", id, k);
		need(bpf_map_update_elem(plane->map_fd[PLANE_xm_node_names], &number, &node, BPF_ANY),
		     "xm_node_names");
		need(latency_write_probe(plane, number, &stat, &err), "xm_probe_rtt");
	}
}

/* As much as the table holds: each cluster as such, then pairs with services. */
static void put_latency(const struct plane *plane)
{
	size_t cpus = (size_t)libbpf_num_possible_cpus();
	struct xm_latency *values = calloc(cpus, sizeof(*values));
	double deadline = now_ms() + 20000;

	for (uint32_t i = 0; i < XM_MAX_LATENCY;) {
		struct xm_latency_key key = { .kind = XM_LATENCY_HANDSHAKE, .cluster = 1 + i % N_CLUSTERS,
					      .service = i / N_CLUSTERS };

		for (size_t c = 0; c < cpus; c++) {
			values[c].syns = i;
			for (int k = 20; k < 60; k++)
				values[c].hist.buckets[k] = i + (uint32_t)k;
		}
		if (!bpf_map_update_elem(plane->map_fd[PLANE_xm_latency], &key, values, BPF_ANY))
			i++;
		else /* The kernel refills its reserve of memory in the background. */
			need(errno != ENOMEM || now_ms() > deadline, "xm_latency");
	}
	free(values);
}

static json_object *make_status(void)
{
	json_object *status = json_object_new_object(), *feeds = json_object_new_array();
	char name[32];

	for (int i = 1; i <= N_CLUSTERS; i++) {
		json_object *feed = json_object_new_object();

		snprintf(name, sizeof(name), "cluster-%d", i);
		json_object_object_add(feed, "cluster", json_object_new_string(name));
		json_object_object_add(feed, "state", json_object_new_string("ready"));
		json_object_object_add(feed, "revision", json_object_new_string("0123456789abcdef"));
		json_object_object_add(feed, "age_s", json_object_new_int(3));
		json_object_object_add(feed, "objects", json_object_new_int(1000));
		json_object_object_add(feed, "errors", json_object_new_int(0));
		json_object_array_add(feeds, feed);
	}
	json_object_object_add(status, "feeds", feeds);
	return status;
}

/* ---- the server ---- */

static struct plane plane;
static double cpu_ms[ROUNDS];
static size_t n_made;

static void *begin(void *user)
{
	return make_status();
}

static void work(void *begun, struct http_answer *answer)
{
	struct err err = { .text = "" };
	double start = clock_ms(CLOCK_THREAD_CPUTIME_ID);

	answer->status = 200;
	answer->type = "text/plain; version=0.0.4; charset=utf-8";
	if (metrics_format(&plane, begun, &answer->body, &answer->len, &err)) {
		fprintf(stderr, "scrape_bench: %s\n", err.text);
		answer->status = 500;
	}
	json_object_put(begun);
	cpu_ms[n_made++ % ROUNDS] = clock_ms(CLOCK_THREAD_CPUTIME_ID) - start;
}

static const struct http_page pages[] = { { .path = "/metrics", .begin = begin, .work = work }, { 0 } };

/* ---- the one who scrapes ---- */

struct scraper {
	uv_async_t done;
	struct http *http;
	double took[ROUNDS];
	size_t bytes;
	bool bad;
};

static bool scrape(size_t *ret_bytes)
{
	static const char ask[] = "GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";
	const struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT),
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	static char buf[1 << 18];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t bytes = 0;
	bool good;
	ssize_t n;

	need(fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof(to)), "connect");
	need(write(fd, ask, sizeof(ask) - 1) != (ssize_t)sizeof(ask) - 1, "ask");
	n = read(fd, buf, sizeof(buf));
	good = n > 12 && !memcmp(buf, "HTTP/1.1 200", 12);
	for (; n > 0; n = read(fd, buf, sizeof(buf)))
		bytes += (size_t)n;
	close(fd);
	*ret_bytes = bytes;
	return good && !n;
}

static void *scraper_run(void *user)
{
	struct scraper *s = user;

	for (int i = 0; i < ROUNDS; i++) {
		double start = now_ms();

		s->bad |= !scrape(&s->bytes);
		s->took[i] = now_ms() - start;
	}
	uv_async_send(&s->done);
	return NULL;
}

static void on_done(uv_async_t *async)
{
	struct scraper *s = async->data;

	http_stop(s->http);
	uv_close((uv_handle_t *)async, NULL);
}

static int run(struct err *err)
{
	struct scraper s = { .bad = false };
	pthread_t thread;
	uv_loop_t loop;
	int code;

	uv_loop_init(&loop);
	code = http_serve(&loop, "127.0.0.1:19964", pages, NULL, &s.http, err);
	if (code)
		return code;
	uv_async_init(&loop, &s.done, on_done);
	s.done.data = &s;
	need(pthread_create(&thread, NULL, scraper_run, &s), "thread");
	uv_run(&loop, UV_RUN_DEFAULT);
	pthread_join(thread, NULL);
	uv_loop_close(&loop);
	if (s.bad)
		return err_set(err, -EIO, "a scrape failed");
	qsort(s.took, ROUNDS, sizeof(*s.took), by_value);
	qsort(cpu_ms, ROUNDS, sizeof(*cpu_ms), by_value);
	printf("{\"what\":\"scrape\",\"clusters\":%d,\"services\":%d,\"pairs\":%d,\"bytes\":%zu,\"min_ms\":%.1f,"
	       "\"median_ms\":%.1f,\"max_ms\":%.1f,\"worker_cpu_ms\":%.1f}\n", N_CLUSTERS, N_SERVICES,
	       XM_MAX_LATENCY, s.bytes, s.took[0], s.took[ROUNDS / 2], s.took[ROUNDS - 1], cpu_ms[ROUNDS / 2]);
	return 0;
}

static void loopback_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	need(fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr), "lo");
	close(fd);
}

int main(void)
{
	char bpffs[] = "/tmp/xmesh-bench-XXXXXX";
	struct err err = { .text = "" };
	int code;

	need(unshare(CLONE_NEWNS | CLONE_NEWNET) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	     !mkdtemp(bpffs) || mount("bpf", bpffs, "bpf", 0, NULL), "namespaces and a BPF file system (needs root)");
	loopback_up();
	code = plane_load(bpffs, "bench", &plane, &err);
	if (!code)
		code = put_services(&plane, &err);
	if (!code) {
		for (uint16_t id = 1; id <= N_CLUSTERS; id++)
			put_cluster(&plane, id);
		put_latency(&plane);
		code = run(&err);
		plane_close(&plane);
		plane_purge(bpffs, "bench", NULL);
	}
	umount2(bpffs, MNT_DETACH);
	rmdir(bpffs);
	if (code)
		fprintf(stderr, "scrape_bench: %s\n", err.text);
	return code != 0;
}
