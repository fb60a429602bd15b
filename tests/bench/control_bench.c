/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How fast global services get into real maps: 10 000 services of 10 backends each, cold, and one
 * changed backend. A BPF file system of its own; nothing is attached. One JSON line each.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>

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

int main(void)
{
	struct service *services[N_SERVICES];
	char bpffs[] = "/tmp/xmesh-bench-XXXXXX";
	struct err err = { "" };
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
	umount2(bpffs, MNT_DETACH);
	rmdir(bpffs);
	if (code)
		fprintf(stderr, "%s\n", err.text);
	return code != 0;
}
