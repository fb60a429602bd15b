/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A second load decides as the first does, and leaves its maps alone. What it says: tests/e2e/explain.sh. */
#include "unit/plane/host.h"

#include <arpa/inet.h>

#include "cli/explain.h"
#include "core/addr.h"
#include "core/defs.h"
#include "plane/actual.h"
#include "plane/dryrun.h"
#include "xmesh/wire.h"

static uint8_t frame[EXPLAIN_FRAME_MAX];
static struct dryrun_result result;

static struct xm_addr addr(const char *text)
{
	struct xm_addr a;

	assert_done(addr_parse(text, &a, &err));
	return a;
}

static void put(const struct plane *plane, enum plane_map map, const void *key, const void *value)
{
	if (bpf_map_update_elem(plane->map_fd[map], key, value, BPF_ANY))
		fail_msg("%s: %s", plane_map_names[map], strerror(errno));
}

/* 10.2.0.0/16 is a peer's, in the tunnel over @underlay; behind @pod is 10.1.0.2 alone. */
static void fill(const struct plane *plane, uint32_t underlay, uint32_t pod)
{
	struct xm_config config = { .magic = XM_ABI_MAGIC, .abi = XM_ABI, .flags = XM_CFG_SOURCE_CHECK, .cluster = 1,
				    .port = htons(XM_PORT_DEFAULT), .vni = 1, .node = 1, .addr4 = addr("192.0.2.1"),
				    .n_plen = { 1, 0 } };
	struct xm_prefix prefix = { .plen = 112, .addr = addr("10.2.0.0") };
	struct xm_route route = { .node = 2, .cluster = 2, .mode = XM_MODE_TUNNEL, .flags = XM_ROUTE_ONLINK,
				  .outer = addr("192.0.2.2"), .ifindex = underlay, .mtu = 1450 };
	struct xm_pod entry = { .ifindex = pod, .mtu = 1500 };
	struct xm_iface iface = { .n_addrs = 1 };
	struct xm_addr a = addr("10.1.0.2");
	uint32_t zero = 0;

	config.plen[0][0] = (struct xm_plen){ .mask = { -1, htobe64(-1ull << 16) }, .plen = 112, .used = 1 };
	put(plane, PLANE_xm_config, &zero, &config);
	put(plane, PLANE_xm_routes, &prefix, &route);
	put(plane, PLANE_xm_pods, &a, &entry);
	put(plane, PLANE_xm_ifaces, &pod, &iface);
}

/* The reason of a packet from behind @ifindex. */
static enum xm_reason ask(struct dryrun *dryrun, uint32_t ifindex, const char *src, const char *dst, const char *size)
{
	static const struct explain_macs macs = { { 2, 0, 0, 0, 0, 1 }, { 2, 0, 0, 0, 0, 2 } };
	struct dryrun_frame in = { .data = frame, .ifindex = ifindex };
	struct explain_ask question;

	assert_done(explain_ask(src, dst, size, &question, &err));
	in.len = explain_build(&question, &macs, NULL, frame);
	assert_done(dryrun_run(dryrun, DRYRUN_FROM_POD, &in, &result, &err));
	return result.trace.reason;
}

static uint64_t counted(const struct plane *plane)
{
	auto_free struct xm_counter *counters = calloc(XM_COUNTERS, sizeof(*counters));
	uint64_t n = 0;

	assert_non_null(counters);
	assert_done(actual_counters(plane, counters, &err));
	for (size_t i = 0; i < XM_COUNTERS; i++)
		n += counters[i].packets;
	return n;
}

static void live_maps_decide_and_stay_as_they_are(void **state)
{
	struct explain_seen seen;
	struct dryrun *dryrun;
	struct plane plane;
	uint32_t pod, underlay;

	host_need_root();
	plane = host_load();
	pod = host_veth("dp");
	underlay = host_veth("du");
	fill(&plane, underlay, pod);
	assert_done(dryrun_new(&plane, DRYRUN_LIVE, DRYRUN_ALL, &dryrun, &err));
	assert_int_equal(ask(dryrun, pod, "10.1.0.2", "10.2.0.2:80", NULL), XM_FWD_TUNNEL);
	assert_int_equal(result.verdict, 7 /* TC_ACT_REDIRECT */);
	assert_true(explain_read(result.out, result.out_len, XM_PORT_DEFAULT, &seen));
	assert_true(seen.tunnelled);
	assert_int_equal(seen.ttl, 63);
	assert_int_equal(result.trace.limit, 1450);
	assert_int_equal(ask(dryrun, pod, "10.1.0.2", "10.2.0.2", "1451"), XM_STACK_TOO_BIG);
	assert_int_equal(ask(dryrun, pod, "10.1.0.3", "10.2.0.2:80", NULL), XM_DROP_POD_SOURCE);
	assert_int_equal(result.verdict, 2 /* TC_ACT_SHOT */);
	assert_int_equal(ask(dryrun, pod, "10.1.0.2", "8.8.8.8", NULL), XM_PASS);
	assert_int_equal(counted(&plane), 0);
	/* What is pinned decides at once. */
	assert_done(apply_pod_put(&plane, &(struct xm_addr){ .w = { 0, 0, XM_V4_MARK, htonl(0x0a010003) } },
				  &(struct xm_pod){ .ifindex = pod }, &err));
	assert_done(apply_epoch(&plane, &err));
	assert_int_equal(ask(dryrun, pod, "10.1.0.3", "10.2.0.2:80", NULL), XM_FWD_TUNNEL);
	dryrun_free(dryrun);
	host_link_del("dp");
	host_link_del("du");
	host_clean(&plane);
}

static void private_maps_are_empty_and_apart(void **state)
{
	struct dryrun *dryrun;
	struct plane plane;
	uint32_t pod, underlay;

	host_need_root();
	plane = host_load();
	pod = host_veth("dp");
	underlay = host_veth("du");
	fill(&plane, underlay, pod);
	assert_done(dryrun_new(&plane, DRYRUN_PRIVATE, DRYRUN_ALL, &dryrun, &err));
	fill(dryrun_plane(dryrun), underlay, pod);
	assert_int_equal(ask(dryrun, pod, "10.1.0.2", "10.2.0.2:80", NULL), XM_FWD_TUNNEL);
	for (int i = 0; i < PLANE_MAP_COUNT; i++)
		assert_int_not_equal(dryrun_plane(dryrun)->map_fd[i], plane.map_fd[i]);
	assert_done(apply_pod_delete(&plane, &(struct xm_addr){ .w = { 0, 0, XM_V4_MARK, htonl(0x0a010002) } }, &err));
	assert_int_equal(ask(dryrun, pod, "10.1.0.2", "10.2.0.2:80", NULL), XM_FWD_TUNNEL);
	dryrun_free(dryrun);
	host_link_del("dp");
	host_link_del("du");
	host_clean(&plane);
}

static void programs_of_others_are_refused(void **state)
{
	struct dryrun *dryrun = NULL;
	struct plane plane;
	int ours;

	host_need_root();
	plane = host_load();
	ours = plane.prog_fd[PLANE_FROM_POD];
	plane.prog_fd[PLANE_FROM_POD] = host_foreign(BPF_PROG_TYPE_SCHED_CLS, "other");
	assert_int_equal(dryrun_new(&plane, DRYRUN_LIVE, DRYRUN_ONLY(DRYRUN_FROM_POD), &dryrun, &err), -EXDEV);
	assert_non_null(strstr(err.text, "another build"));
	close(plane.prog_fd[PLANE_FROM_POD]);
	/* Of our build, but another program of it: the same settings, other instructions. */
	plane.prog_fd[PLANE_FROM_POD] = plane.prog_fd[PLANE_FROM_DEV];
	assert_int_equal(dryrun_new(&plane, DRYRUN_LIVE, DRYRUN_ONLY(DRYRUN_FROM_POD), &dryrun, &err), -EXDEV);
	plane.prog_fd[PLANE_FROM_POD] = -1;
	assert_int_equal(dryrun_new(&plane, DRYRUN_LIVE, DRYRUN_ONLY(DRYRUN_FROM_POD), &dryrun, &err), -ENOENT);
	assert_null(dryrun);
	plane.prog_fd[PLANE_FROM_POD] = ours;
	host_clean(&plane);
}

static void frames_that_cannot_be_tried_are_named(void **state)
{
	struct dryrun_frame in = { .data = frame, .len = 64, .ifindex = 4711 };
	struct dryrun *dryrun;
	struct plane plane;

	host_need_root();
	plane = host_load();
	assert_done(dryrun_new(&plane, DRYRUN_LIVE, DRYRUN_ONLY(DRYRUN_FROM_POD), &dryrun, &err));
	assert_int_equal(dryrun_run(dryrun, DRYRUN_FROM_POD, &in, &result, &err), -ENODEV);
	in.ifindex = 1;
	in.len = sizeof(frame);
	assert_int_equal(dryrun_run(dryrun, DRYRUN_FROM_POD, &in, &result, &err), -E2BIG);
	dryrun_free(dryrun);
	host_clean(&plane);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(live_maps_decide_and_stay_as_they_are),
		cmocka_unit_test(private_maps_are_empty_and_apart),
		cmocka_unit_test(programs_of_others_are_refused),
		cmocka_unit_test(frames_that_cannot_be_tried_are_named),
	};

	return cmocka_run_group_tests(tests, host_setup, host_teardown);
}
