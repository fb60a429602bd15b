/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How fast global services get into real maps: 10 000 services of 10 backends each, cold, and one
 * changed backend; the maps alone (balance_*), and from the snapshot on, merge and maps (services_*).
 * A BPF file system of its own; nothing is attached. One JSON line each.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>

#include "model/services.h"
#include "plane/balance.h"

#define N_SERVICES 10000
#define N_BACKENDS 10
#define ROUNDS 101

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct service *make(uint32_t i)
{
	struct service *s = calloc(1, sizeof(*s));

	strcpy(s->space, "bench");
	snprintf(s->name, sizeof(s->name), "service-%05u", i);
	s->version = 1;
	s->n_backends = N_BACKENDS;
	s->backends = calloc(N_BACKENDS, sizeof(*s->backends));
	s->n_pools = 1;
	s->pools = calloc(1, sizeof(*s->pools));
	s->pools->targets = calloc(N_BACKENDS, sizeof(*s->pools->targets));
	s->pools->n_targets = N_BACKENDS;
	for (uint32_t k = 0; k < N_BACKENDS; k++) {
		s->backends[k] = (struct service_backend){
			.addr = xm_addr_v4(htonl(0x0a000000 + i * 16 + k)), .port = 8080, .proto = 6,
			.cluster = 1, .node = 1, .state = XM_BACKEND_ACTIVE };
		s->pools->targets[k] = (struct service_target){ k, 1 };
	}
	s->pools->frontends = calloc(1, sizeof(*s->pools->frontends));
	s->pools->n_frontends = 1;
	s->pools->frontends->key = (struct xm_service_key){
		.addr = xm_addr_v4(htonl(0x0b000000 + i)), .port = htons(80), .proto = 6, .cluster = 1 };
	return s;
}

static int run(const struct plane *plane, struct service **services, struct err *err)
{
	const struct service *const *list = (const struct service *const *)services;
	struct balance_result result;
	struct balance *balance;
	double start, took[ROUNDS];
	int code;

	code = balance_new(plane, 0, &balance, err);
	if (code)
		return code;
	start = now_ms();
	code = balance_sync(balance, list, N_SERVICES, 0, 1, &result, err);
	if (!code)
		printf("{\"what\":\"balance_cold\",\"services\":%zu,\"backends\":%d,\"ms\":%.1f}\n",
		       result.services, N_SERVICES * N_BACKENDS, now_ms() - start);
	balance_result_done(&result);
	for (int i = 0; !code && i < ROUNDS; i++) {
		struct service *s = services[i * 97 % N_SERVICES];

		s->backends[N_BACKENDS - 1].addr.b[13] ^= 0x80;
		s->version++;
		start = now_ms();
		code = balance_sync(balance, list, N_SERVICES, 0, 2, &result, err);
		took[i] = now_ms() - start;
		balance_result_done(&result);
	}
	qsort(took, ROUNDS, sizeof(*took), by_value);
	if (!code)
		printf("{\"what\":\"balance_one_change\",\"median_ms\":%.3f,\"max_ms\":%.3f}\n",
		       took[ROUNDS / 2], took[ROUNDS - 1]);
	balance_free(balance);
	start = now_ms();
	if (!code)
		code = balance_new(plane, 0, &balance, err);
	if (code)
		return code;
	printf("{\"what\":\"balance_adopt\",\"ms\":%.1f}\n", now_ms() - start);
	code = balance_sync(balance, list, N_SERVICES, 0, 3, &result, err);
	if (!code)
		printf("{\"what\":\"balance_resync\",\"ops\":%zu}\n", result.ops);
	balance_result_done(&result);
	balance_free(balance);
	return code;
}

/* ---- from the snapshot on ---- */

static struct snapshot *snapshot_make(void)
{
	struct snapshot *s = calloc(1, sizeof(*s));

	s->n_services = s->n_slices = N_SERVICES;
	s->services = calloc(N_SERVICES, sizeof(*s->services));
	s->slices = calloc(N_SERVICES, sizeof(*s->slices));
	for (uint32_t i = 0; i < N_SERVICES; i++) {
		struct service_object *v = &s->services[i];
		struct slice_object *slice = &s->slices[i];

		strcpy(v->space, "bench");
		snprintf(v->name, sizeof(v->name), "service-%05u", i);
		v->has_service = v->global = v->shared = true;
		v->n_vips = v->n_ports = 1;
		v->vips = calloc(1, sizeof(*v->vips));
		v->vips->addr = xm_addr_v4(htonl(0x0b000000 + i));
		v->ports = calloc(1, sizeof(*v->ports));
		*v->ports = (struct port_object){ .port = 80, .proto = 6 };
		strcpy(slice->space, v->space);
		strcpy(slice->service, v->name);
		slice->n_ports = 1;
		slice->ports = calloc(1, sizeof(*slice->ports));
		*slice->ports = (struct port_object){ .port = 8080, .proto = 6 };
		slice->n_endpoints = N_BACKENDS;
		slice->endpoints = calloc(N_BACKENDS, sizeof(*slice->endpoints));
		for (uint32_t k = 0; k < N_BACKENDS; k++)
			slice->endpoints[k] = (struct endpoint_object){
				.addr = xm_addr_v4(htonl(0x0a000000 + i * 16 + k)),
				.ready = true, .serving = true, .node = strdup("node-1") };
	}
	snapshot_finish(s);
	return s;
}

/* One turn: merge and maps. */
static int turn(struct services *services, const struct services_input *input, struct balance *balance,
		uint64_t wall_s, double *ret_update_ms, double *ret_ms, size_t *ret_n, struct err *err)
{
	struct balance_result result;
	double start = now_ms();
	int code;

	code = services_update(services, input, err);
	*ret_update_ms = now_ms() - start;
	if (code)
		return code;
	code = balance_follow(balance, services, 0, wall_s, &result, err);
	*ret_ms = now_ms() - start;
	*ret_n = result.services;
	balance_result_done(&result);
	return code;
}

static int run_whole(const struct plane *plane, struct err *err)
{
	struct config_cluster config = { .name = "bench", .id = 1 };
	struct mesh_cluster cluster = { .config = &config, .own = true, .snapshot = snapshot_make() };
	struct mesh mesh = { .clusters = &cluster, .n_clusters = 1 };
	struct service_node node = { .cluster = 1, .name = "node-1", .number = 1, .health = NODE_UP,
				     .outer = xm_addr_v4(htonl(0xc0000201)), .own = true };
	bool stale[1] = { false };
	struct services_input input = { .mesh = &mesh, .nodes = &node, .n_nodes = 1, .stale = stale };
	double took[ROUNDS], merged[ROUNDS];
	struct snapshot *snapshot = (struct snapshot *)cluster.snapshot;
	struct services *services;
	struct balance *balance;
	size_t n;
	int code;

	code = services_new(&services);
	if (code)
		return err_set(err, code, "out of memory");
	code = balance_new(plane, 0, &balance, err);
	if (code)
		return code;
	code = turn(services, &input, balance, 1, merged, took, &n, err);
	if (!code && n != N_SERVICES)
		code = err_set(err, -EINVAL, "%zu services of %d came", n, N_SERVICES);
	if (!code)
		printf("{\"what\":\"services_cold\",\"services\":%zu,\"merge_ms\":%.1f,\"ms\":%.1f}\n", n,
		       *merged, *took);
	for (int i = 0; !code && i < ROUNDS; i++) {
		snapshot->slices[i * 97 % N_SERVICES].endpoints[N_BACKENDS - 1].addr.b[13] ^= 0x80;
		/* The feed's part, not this one's: not measured. */
		snapshot_finish(snapshot);
		code = turn(services, &input, balance, 2, &merged[i], &took[i], &n, err);
		if (!code && n != 1)
			code = err_set(err, -EINVAL, "one endpoint changed, and %zu services", n);
	}
	qsort(took, ROUNDS, sizeof(*took), by_value);
	qsort(merged, ROUNDS, sizeof(*merged), by_value);
	if (!code)
		printf("{\"what\":\"services_one_change\",\"merge_ms\":%.3f,\"median_ms\":%.3f,"
		       "\"p99_ms\":%.3f,\"max_ms\":%.3f}\n",
		       merged[ROUNDS / 2], took[ROUNDS / 2], took[ROUNDS * 99 / 100], took[ROUNDS - 1]);
	balance_free(balance);
	services_free(services);
	snapshot_free(snapshot);
	return code;
}

int main(void)
{
	struct service *services[N_SERVICES];
	char bpffs[] = "/tmp/xmesh-bench-XXXXXX";
	struct err err = { .text = "" };
	struct plane plane;
	int code;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    !mkdtemp(bpffs) || mount("bpf", bpffs, "bpf", 0, NULL)) {
		perror("a BPF file system of our own (needs root)");
		return 1;
	}
	for (uint32_t i = 0; i < N_SERVICES; i++)
		services[i] = make(i);
	code = plane_load(bpffs, "bench", &plane, &err);
	if (!code) {
		code = run(&plane, services, &err);
		plane_close(&plane);
		plane_purge(bpffs, "bench", NULL);
	}
	if (!code)
		code = plane_load(bpffs, "whole", &plane, &err);
	if (!code) {
		code = run_whole(&plane, &err);
		plane_close(&plane);
		plane_purge(bpffs, "whole", NULL);
	}
	umount2(bpffs, MNT_DETACH);
	rmdir(bpffs);
	if (code)
		fprintf(stderr, "%s\n", err.text);
	return code != 0;
}
