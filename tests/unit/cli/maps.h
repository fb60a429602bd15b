/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Real maps with two nodes, west-1 and east-1, and one service with a backend on each, for tests of
 * what `map dump` shows of them.
 */
#ifndef XMESH_UNIT_CLI_MAPS_H
#define XMESH_UNIT_CLI_MAPS_H

#include "unit/plane/host.h"

#include <arpa/inet.h>

#include "cli/mapview.h"
#include "core/addr.h"
#include "core/defs.h"
#include "plane/balance.h"

struct maps {
	struct plane plane;
	struct balance *balance;
	struct wanted_name names[2];
	struct wanted_cluster clusters[2];
	struct wanted_pod pod;
	struct wanted actual;
	struct view view;
};

static inline struct xm_addr addr_of(const char *text)
{
	struct xm_addr addr;

	assert_int_equal(addr_parse(text, &addr, NULL), 0);
	return addr;
}

static inline void maps_open(struct maps *m)
{
	static const char *const clusters[] = { "east", "west" }, *const nodes[] = { "east-1", "west-1" };

	memset(m, 0, sizeof(*m));
	m->plane = host_load();
	for (size_t i = 0; i < 2; i++) {
		m->clusters[i].id = i + 1;
		strcpy(m->clusters[i].cluster.name, clusters[i]);
		m->names[i].number = i + 1;
		m->names[i].name.cluster = i + 1;
		strcpy(m->names[i].name.name, nodes[i]);
	}
	m->pod.pod.ifindex = 1;
	m->pod.addr = addr_of("10.1.1.2");
	m->actual = (struct wanted){ .names = m->names, .n_names = 2, .clusters = m->clusters,
				     .n_clusters = 2, .pods = &m->pod, .n_pods = 1 };
	m->view.plane = m->plane;
	m->view.actual = &m->actual;
	m->view.now_s = 2000;
}

static inline void maps_close(struct maps *m)
{
	if (m->balance)
		balance_free(m->balance);
	host_clean(&m->plane);
}

/* shop/web: VIP 11.0.0.1:80, 10.1.1.2:8080 in east (active), [fd00:2::2] of all ports in west (standby). */
static inline void maps_service(struct maps *m)
{
	struct service_backend backends[2] = {
		{ .addr = addr_of("10.1.1.2"), .port = 8080, .proto = IPPROTO_TCP, .cluster = 1, .node = 1,
		  .state = XM_BACKEND_ACTIVE, .why = XM_WHY_READY, .flags = XM_BACKEND_IS_LOCAL },
		{ .addr = addr_of("fd00:2::2"), .proto = IPPROTO_TCP, .cluster = 2, .node = 2,
		  .state = XM_BACKEND_STANDBY, .why = XM_WHY_OTHER_TIER },
	};
	struct service_target target = { 0, 1 };
	struct service_frontend frontend = {
		.key = { .addr = addr_of("11.0.0.1"), .port = htons(80), .proto = IPPROTO_TCP, .cluster = 1 },
		.kind = XM_VIP_EXTERNAL_IP };
	struct service_pool pool = { .targets = &target, .n_targets = 1, .frontends = &frontend,
				     .n_frontends = 1 };
	struct service service = { .space = "shop", .name = "web", .version = 1, .prefer = "local,*",
				   .affinity_s = 60, .backends = backends, .n_backends = 2, .pools = &pool,
				   .n_pools = 1 };
	const struct service *list[] = { &service };
	struct balance_result result;

	assert_done(balance_new(&m->plane, 0, &m->balance, &err));
	assert_done(balance_sync(m->balance, list, 1, 0, 1990, &result, &err));
	balance_result_done(&result);
}

/* The rows of @map, NULL key = all, as JSON in *ret_text (the caller frees); how many. */
static inline size_t maps_rows(const struct maps *m, enum plane_map map, const struct map_key *key,
			       char **ret_text)
{
	struct emit *emit;
	size_t size = 0, n = 0;
	FILE *out = open_memstream(ret_text, &size);

	assert_int_equal(emit_new(true, out, &emit), 0);
	assert_done(mapview_emit(&m->view, map, key, emit, &n, &err));
	emit_free(emit);
	fclose(out);
	return n;
}

#define assert_shows(text, part)                                                                   \
	do {                                                                                       \
		if (!strstr(text, part))                                                           \
			fail_msg("%s is not in %s", part, text);                                   \
	} while (0)

/* A row like any: @n rows that show all of @parts. */
static inline void maps_expect(const struct maps *m, enum plane_map map, const struct map_key *key, size_t n,
			       const char *const *parts, size_t n_parts)
{
	char *text;

	if (maps_rows(m, map, key, &text) != n)
		fail_msg("not %zu rows: %s", n, text);
	for (size_t i = 0; i < n_parts; i++)
		assert_shows(text, parts[i]);
	free(text);
}

#define MAPS_EXPECT(m, map, key, n, ...)                                                           \
	do {                                                                                       \
		static const char *const parts_[] = { __VA_ARGS__ };                               \
		maps_expect(m, map, key, n, parts_, ARRAY_SIZE(parts_));                           \
	} while (0)

#endif
