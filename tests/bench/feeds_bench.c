/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An etcd with a million small values: fill it, read it raw, read it by a feed; and how soon a
 * change on the server is in a map. One JSON line each. Called by feeds.sh, which starts the server.
 *
 *   feeds_bench fill URL CA N           N slices below /bench/load
 *   feeds_bench raw URL CA N            all of them in pages of 50 000, nothing looked at
 *   feeds_bench feed URL CA N           into a snapshot; and the most memory that took
 *   feeds_bench change URL CA MAP N     N changes of one endpoint below /bench/live, each until the pinned
 *                                       xm_backends MAP has it
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "core/defs.h"
#include "core/file.h"
#include "feed/etcd_rpc.h"
#include "feed/feed.h"
#include "feed/http.h"
#include "xmesh/service.h"

#define LOAD "/bench/load"
#define PAGE 50000
#define IN_FLIGHT 8
#define PER_SERVICE 50
#define SEEN_BACKENDS 16384 /* of the map: numbers are given from below, and there are 10 000 */

static struct config_etcd config;
static char *endpoint, *ca;

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what, const struct err *err)
{
	fprintf(stderr, "feeds_bench: %s: %s\n", what, err ? err->text : strerror(errno));
	exit(1);
}

static void key_of(long i, char *key, size_t size)
{
	snprintf(key, size, LOAD "/endpointslices/bench/s%07ld", i);
}

/* About 220 bytes, as small as an EndpointSlice can be. */
static int value_of(long i, char *value, size_t size)
{
	return snprintf(value, size,
			"{\"apiVersion\":\"discovery.k8s.io/v1\",\"kind\":\"EndpointSlice\",\"metadata\":{"
			"\"name\":\"s%07ld\",\"namespace\":\"bench\",\"labels\":{\"kubernetes.io/service-name\":"
			"\"v%05ld\"}},\"addressType\":\"IPv4\",\"endpoints\":[{\"addresses\":[\"10.%ld.%ld.%ld\"]}]}",
			i, i / PER_SERVICE, i >> 16 & 255, i >> 8 & 255, i & 255);
}

/* ---- fill ----------------------------------------------------------------------------------- */

struct fill {
	struct etcd *etcd;
	long next, n;
	int running;
};

static void fill_more(struct fill *fill);

static void on_filled(void *user, int code, const struct etcd_header *header, const struct err *err)
{
	struct fill *fill = user;

	if (code)
		die("fill", err);
	fill->running--;
	fill_more(fill);
}

static void fill_more(struct fill *fill)
{
	static char keys[ETCD_MAX_OPS][64], values[ETCD_MAX_OPS][256];
	struct etcd_op ops[ETCD_MAX_OPS];
	struct etcd_call *call;
	size_t n = 0;

	for (; n < ETCD_MAX_OPS && fill->next < fill->n; n++, fill->next++) {
		int len = value_of(fill->next, values[n], sizeof(values[n]));

		key_of(fill->next, keys[n], sizeof(keys[n]));
		ops[n] = (struct etcd_op){ .key = { keys[n], strlen(keys[n]) }, .value = { values[n], (size_t)len } };
	}
	if (!n)
		return;
	if (etcd_txn(fill->etcd, ops, n, 0, on_filled, fill, &call))
		die("fill", NULL);
	fill->running++;
}

static void fill(long n)
{
	const struct etcd_op mark = { .key = { LOAD "/.complete", strlen(LOAD "/.complete") },
				      .value = { "now", 3 } };
	struct fill fill = { .n = n };
	struct etcd_call *call;
	double start = now_s();
	struct err err;
	uv_loop_t loop;

	uv_loop_init(&loop);
	if (etcd_new(&loop, &config, &fill.etcd, &err))
		die("fill", &err);
	for (int i = 0; i < IN_FLIGHT; i++)
		fill_more(&fill);
	while (fill.running)
		uv_run(&loop, UV_RUN_ONCE);
	/* Believed at once, and not after a while of quiet. */
	if (etcd_txn(fill.etcd, &mark, 1, 0, on_filled, &fill, &call))
		die("fill", NULL);
	for (fill.running = 1; fill.running;)
		uv_run(&loop, UV_RUN_ONCE);
	printf("{\"what\":\"feeds_fill\",\"values\":%ld,\"s\":%.2f}\n", n, now_s() - start);
}

/* ---- raw ------------------------------------------------------------------------------------ */

struct raw {
	struct http *http;
	long at, n;
	size_t bytes;
	bool done;
};

static void raw_page(struct raw *raw);

static bool on_raw(void *user, int status, const void *data, size_t len)
{
	((struct raw *)user)->bytes += len;
	return true;
}

static void on_raw_done(void *user, int code, int status, const struct err *err)
{
	struct raw *raw = user;

	if (code || status != 200)
		die("raw", err);
	raw->at += PAGE;
	raw->done = raw->at >= raw->n;
	if (!raw->done)
		raw_page(raw);
}

static size_t put_bytes(uint8_t *to, uint8_t tag, const char *text)
{
	size_t len = strlen(text);

	to[0] = tag;
	to[1] = (uint8_t)len;
	memcpy(to + 2, text, len);
	return len + 2;
}

/* RangeRequest { key = 1, range_end = 2, limit = 3 }, in a gRPC frame; where it begins is known. */
static void raw_page(struct raw *raw)
{
	static const char *const headers[] = { "content-type: application/grpc", "te: trailers", NULL };
	struct http_ask ask = { .method = "POST", .path = "/etcdserverpb.KV/Range", .headers = headers,
				.data = on_raw, .done = on_raw_done, .user = raw };
	struct http_request *request;
	uint8_t body[160] = {};
	char key[64];
	size_t len = 5;
	unsigned int limit = PAGE;

	key_of(raw->at, key, sizeof(key));
	len += put_bytes(body + len, 0x0a, key);
	len += put_bytes(body + len, 0x12, LOAD "0");
	body[len++] = 0x18;
	for (; limit > 127; limit >>= 7)
		body[len++] = (uint8_t)(limit | 128);
	body[len++] = (uint8_t)limit;
	body[4] = (uint8_t)(len - 5);
	ask.body = body;
	ask.len = len;
	if (http_start(raw->http, &ask, &request))
		die("raw", NULL);
}

static void raw(long n)
{
	struct raw raw = { .n = n };
	struct http_setup setup = { .base = endpoint, .http2 = true };
	struct err err;
	uv_loop_t loop;
	size_t len;
	char *pem;
	double start;

	if (file_read(AT_FDCWD, ca, ca, 1 << 20, 0, &pem, &len, &err))
		die("raw", &err);
	setup.ca = (struct http_blob){ pem, len };
	uv_loop_init(&loop);
	setup.loop = &loop;
	if (http_new(&setup, &raw.http, &err))
		die("raw", &err);
	start = now_s();
	raw_page(&raw);
	while (!raw.done)
		uv_run(&loop, UV_RUN_ONCE);
	printf("{\"what\":\"feeds_raw\",\"values\":%ld,\"s\":%.3f,\"mb\":%.1f}\n", n, now_s() - start,
	       (double)raw.bytes / 1e6);
	if (raw.bytes < (size_t)n * 186) {
		fprintf(stderr, "feeds_bench: raw: %zu bytes are not %ld values\n", raw.bytes, n);
		exit(1);
	}
}

/* ---- by a feed ------------------------------------------------------------------------------ */

static struct snapshot *got;

static void on_snapshot(void *user, struct snapshot *snapshot)
{
	got = snapshot;
}

static void on_error(void *user, const struct err *err)
{
	die("feed", err);
}

static void on_unchanged(void *user)
{
}

static void feed(long n)
{
	struct config_source source = { .kind = CONFIG_SOURCE_ETCD, .etcd = config };
	struct feed_callbacks callbacks = { on_snapshot, on_error, on_unchanged, NULL };
	double start = now_s(), cpu;
	struct rusage usage;
	struct feed *feed;
	struct err err;
	uv_loop_t loop;

	source.etcd.prefix = (char *)LOAD;
	uv_loop_init(&loop);
	if (feed_new(&loop, &source, "bench", 2, &callbacks, &feed, &err))
		die("feed", &err);
	while (!got)
		uv_run(&loop, UV_RUN_ONCE);
	getrusage(RUSAGE_SELF, &usage);
	cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	      (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
	printf("{\"what\":\"feeds_feed\",\"values\":%ld,\"s\":%.3f,\"cpu_s\":%.2f,\"slices\":%zu,"
	       "\"bad\":%zu,\"rss_mb\":%.1f}\n", n, now_s() - start, cpu, got->n_slices, got->counts.bad,
	       (double)usage.ru_maxrss / 1024);
	if (got->n_slices != (size_t)n) {
		fprintf(stderr, "feeds_bench: feed: %zu slices of %ld\n", got->n_slices, n);
		exit(1);
	}
	exit(0);
}

/* ---- until it is in the map ----------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int put_code;

static void on_put(void *user, int code, const struct etcd_header *header, const struct err *err)
{
	put_code = code;
	if (code)
		die("change", err);
	*(bool *)user = true;
}

static bool is_backend(const struct xm_backend *backends, const struct xm_addr *addr)
{
	for (int i = 1; i < SEEN_BACKENDS; i++)
		if (!memcmp(&backends[i].addr, addr, sizeof(*addr)) && backends[i].state == XM_BACKEND_ACTIVE)
			return true;
	return false;
}

/* The time from the answer to the put: what is asked is how soon after it is on the server. */
static void change(const char *pin, int n)
{
	static const char key[] = "/bench/live/endpointslices/bench/s0";
	double *took = calloc((size_t)n, sizeof(*took));
	int fd = bpf_obj_get(pin);
	const struct xm_backend *backends;
	struct etcd *etcd;
	struct etcd_call *call;
	struct err err;
	uv_loop_t loop;

	if (fd < 0)
		die(pin, NULL);
	backends = mmap(NULL, SEEN_BACKENDS * sizeof(*backends), PROT_READ, MAP_SHARED, fd, 0);
	if (backends == MAP_FAILED)
		die(pin, NULL);
	uv_loop_init(&loop);
	if (etcd_new(&loop, &config, &etcd, &err))
		die("change", &err);
	for (int i = 0; i < n; i++) {
		struct xm_addr addr = xm_addr_v4(htonl(0x0a020200 + (uint32_t)i));
		bool done = false;
		char value[512];
		struct etcd_op op = { .key = { key, strlen(key) }, .value = { value, 0 } };
		double start, end;

		op.value.len = (size_t)snprintf(value, sizeof(value),
			"{\"apiVersion\":\"discovery.k8s.io/v1\",\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":\"s0\","
			"\"namespace\":\"bench\",\"labels\":{\"kubernetes.io/service-name\":\"s0\"}},"
			"\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"rr\",\"port\":9000,\"protocol\":\"TCP\"}],"
			"\"endpoints\":[{\"addresses\":[\"10.2.2.%d\"],\"nodeName\":\"node2\"}]}", i);
		if (etcd_txn(etcd, &op, 1, 0, on_put, &done, &call))
			die("change", NULL);
		while (!done)
			uv_run(&loop, UV_RUN_ONCE);
		start = now_s();
		end = start + 5;
		while (!is_backend(backends, &addr)) {
			if (now_s() > end) {
				fprintf(stderr, "feeds_bench: change %d is not in the map after 5 s\n", i);
				exit(1);
			}
			usleep(100);
		}
		took[i] = (now_s() - start) * 1e3;
		/* Changes apart from each other: each is met by an agent at rest. */
		usleep(50000);
	}
	qsort(took, (size_t)n, sizeof(*took), by_value);
	printf("{\"what\":\"feeds_change\",\"n\":%d,\"p50_ms\":%.2f,\"p99_ms\":%.2f,\"max_ms\":%.2f}\n", n,
	       took[n / 2], took[n * 99 / 100], took[n - 1]);
	free(took);
}

int main(int argc, char **argv)
{
	if (argc < 5) {
		fprintf(stderr, "usage: feeds_bench fill|raw|feed URL CA N | change URL CA MAP N\n");
		return 2;
	}
	endpoint = argv[2];
	ca = argv[3];
	config = (struct config_etcd){ .endpoints = &endpoint, .n_endpoints = 1, .ca = ca };
	if (!strcmp(argv[1], "fill"))
		fill(atol(argv[4]));
	else if (!strcmp(argv[1], "raw"))
		raw(atol(argv[4]));
	else if (!strcmp(argv[1], "feed"))
		feed(atol(argv[4]));
	else if (!strcmp(argv[1], "change") && argc > 5)
		change(argv[4], atoi(argv[5]));
	else
		return 2;
	return 0;
}
