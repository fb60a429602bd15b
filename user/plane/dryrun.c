/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The programs once more, for packets that are only asked about. */
#include "plane/dryrun.h"

#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "core/defs.h"
#include "plane/bpflog.h"
#include "xmesh.skel.h"

struct dryrun {
	struct xmesh_bpf *skel;
	struct plane plane;       /* borrowed descriptors: of the live plane, or of the object */
	int prog_fd[DRYRUN_PROG_COUNT];
	int trace_fd;
};

static const char *const prog_names[DRYRUN_PROG_COUNT] = {
	[DRYRUN_FROM_POD] = "xm_from_pod",
	[DRYRUN_FROM_NET] = "xm_from_net",
	[DRYRUN_SOCKET] = "xm_explain_socket",
};

/* The attached program that must be the same; -1 = it is attached nowhere. */
static const int prog_pins[DRYRUN_PROG_COUNT] = {
	[DRYRUN_FROM_POD] = PLANE_FROM_POD,
	[DRYRUN_FROM_NET] = PLANE_FROM_NET,
	[DRYRUN_SOCKET] = -1,
};

/*
 * Maps that decide. All others count, remember or report: the object has its own of those, so that
 * not even a program that forgot to ask for dry_run could change them.
 */
static const enum plane_map deciding[] = {
	PLANE_xm_config,   PLANE_xm_nodes,       PLANE_xm_node_state, PLANE_xm_routes,
	PLANE_xm_pods,     PLANE_xm_epoch,       PLANE_xm_ifaces,     PLANE_xm_paths,
	PLANE_xm_services, PLANE_xm_maglev,      PLANE_xm_backends,   PLANE_xm_vip_filter,
	PLANE_xm_affinity, PLANE_xm_sock_origin, PLANE_xm_flows,      PLANE_xm_frags,
	PLANE_xm_flow_hint,
};

/* In a private set nobody remembers anything: tables of clients need no room. */
#define PRIVATE_LRU_ENTRIES 1024

static int other_build(struct err *err)
{
	return err_set(err, -EXDEV,
		       "the attached programs are of another build than this xmesh, and may decide "
		       "otherwise: use the binary that the agent runs, or restart the agent");
}

/* The map of settings of the program behind @fd, as a new descriptor. */
static int rodata_of(int fd, int *ret_fd, struct err *err)
{
	__u32 ids[64], len = sizeof(struct bpf_prog_info);
	struct bpf_prog_info info = { .nr_map_ids = ARRAY_SIZE(ids), .map_ids = (uintptr_t)ids };

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return err_set(err, -errno, "the attached program cannot be read: %s", strerror(errno));
	for (__u32 i = 0; i < info.nr_map_ids && i < ARRAY_SIZE(ids); i++) {
		auto_close int map = bpf_map_get_fd_by_id(ids[i]);
		struct bpf_map_info map_info = { 0 };

		len = sizeof(map_info);
		if (map < 0 || bpf_obj_get_info_by_fd(map, &map_info, &len))
			continue;
		if (!strstr(map_info.name, ".rodata"))
			continue;
		*ret_fd = take_fd(map);
		return 0;
	}
	return other_build(err);
}

/*
 * The settings of the attached programs, whatever this kernel would be asked for today. Everything
 * else among their constants has to be the same as ours: tables are part of a program.
 */
static int adopt_knobs(const struct plane *live, struct xmesh_bpf *skel, struct err *err)
{
	struct xm_knobs *ours = (struct xm_knobs *)&skel->rodata->xm_knobs, theirs;
	const size_t at = (char *)ours - (char *)skel->rodata;
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info), zero = 0;
	auto_free char *bytes = NULL;
	auto_close int fd = -1;
	size_t size;
	int code;

	bpf_map__initial_value(skel->maps.rodata, &size);
	code = rodata_of(live->prog_fd[PLANE_FROM_POD], &fd, err);
	if (code)
		return code;
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return err_set(err, -errno, "the programs' settings cannot be read: %s", strerror(errno));
	if (info.value_size != size)
		return other_build(err);
	bytes = malloc(size);
	if (!bytes)
		return err_set(err, -ENOMEM, "out of memory");
	if (bpf_map_lookup_elem(fd, &zero, bytes))
		return err_set(err, -errno, "the programs' settings cannot be read: %s", strerror(errno));
	memcpy(&theirs, bytes + at, sizeof(theirs));
	memcpy(bytes + at, ours, sizeof(*ours));
	if (memcmp(bytes, skel->rodata, size))
		return other_build(err);
	*ours = theirs;
	ours->dry_run = 1;
	return 0;
}

static int adopt_maps(const struct plane *live, struct xmesh_bpf *skel, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(deciding); i++) {
		const char *name = plane_map_names[deciding[i]];
		int code = bpf_map__reuse_fd(bpf_object__find_map_by_name(skel->obj, name),
					     live->map_fd[deciding[i]]);

		if (code)
			return err_set(err, code, "%s/%s cannot be read by a second program: %s: %s",
				       live->dir, name, strerror(-code), bpflog_tail(400));
	}
	return 0;
}

static int shrink_maps(struct xmesh_bpf *skel, struct err *err)
{
	struct bpf_map *map;
	int code;

	bpf_object__for_each_map(map, skel->obj) {
		if (bpf_map__type(map) != BPF_MAP_TYPE_LRU_HASH)
			continue;
		code = bpf_map__set_max_entries(map, PRIVATE_LRU_ENTRIES);
		if (code)
			return err_set(err, code, "%s: %s", bpf_map__name(map), strerror(-code));
	}
	return 0;
}

static int same_tag(int a, int b, struct err *err)
{
	struct bpf_prog_info x = { 0 }, y = { 0 };
	__u32 len = sizeof(x);

	if (bpf_obj_get_info_by_fd(a, &x, &len))
		return err_set(err, -errno, "the attached program cannot be read: %s", strerror(errno));
	len = sizeof(y);
	if (bpf_obj_get_info_by_fd(b, &y, &len))
		return err_set(err, -errno, "the program cannot be read: %s", strerror(errno));
	/* The kernel's digest of the instructions as they were loaded; settings are not part of it. */
	return memcmp(x.tag, y.tag, sizeof(x.tag)) ? other_build(err) : 0;
}

static int find_programs(struct dryrun *dryrun, const struct plane *live, uint32_t progs, struct err *err)
{
	int code;

	for (int i = 0; i < DRYRUN_PROG_COUNT; i++) {
		struct bpf_program *prog =
			bpf_object__find_program_by_name(dryrun->skel->obj, prog_names[i]);

		if (!(progs & DRYRUN_ONLY(i)))
			continue;
		dryrun->prog_fd[i] = bpf_program__fd(prog);
		if (prog_pins[i] < 0)
			continue;
		code = same_tag(live->prog_fd[prog_pins[i]], dryrun->prog_fd[i], err);
		if (code)
			return code;
	}
	return 0;
}

static int choose_programs(struct xmesh_bpf *skel, const struct plane *live, uint32_t progs, struct err *err)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, skel->obj)
		bpf_program__set_autoload(prog, false);
	for (int i = 0; i < DRYRUN_PROG_COUNT; i++) {
		if (prog_pins[i] >= 0 && live->prog_fd[prog_pins[i]] < 0)
			return err_set(err, -ENOENT,
				       "%s/progs/%s: no program is pinned there: start `xmesh agent`, or "
				       "attach with `xmesh attach`", live->dir, prog_names[i]);
		prog = bpf_object__find_program_by_name(skel->obj, prog_names[i]);
		if (!prog)
			return err_set(err, -ENOENT, "the BPF object of this binary lacks %s", prog_names[i]);
		bpf_program__set_autoload(prog, progs & DRYRUN_ONLY(i));
	}
	return 0;
}

static int load(struct dryrun *dryrun, const struct plane *live, enum dryrun_maps maps, uint32_t progs,
		struct err *err)
{
	int code;

	dryrun->skel = plane_object();
	if (!dryrun->skel)
		return err_set(err, -errno, "the BPF object of this binary does not open: %s: %s",
			       strerror(errno), bpflog_tail(600));
	code = choose_programs(dryrun->skel, live, progs, err);
	if (!code)
		code = adopt_knobs(live, dryrun->skel, err);
	if (!code)
		code = maps == DRYRUN_LIVE ? adopt_maps(live, dryrun->skel, err) :
					     shrink_maps(dryrun->skel, err);
	if (code)
		return code;
	code = xmesh_bpf__load(dryrun->skel);
	if (code)
		return err_set(err, code, "loading the programs a second time failed: %s: %s",
			       strerror(-code), bpflog_tail(800));
	return find_programs(dryrun, live, progs, err);
}

int dryrun_new(const struct plane *live, enum dryrun_maps maps, uint32_t progs, struct dryrun **ret_dryrun,
	       struct err *err)
{
	struct dryrun *dryrun = calloc(1, sizeof(*dryrun));
	int code;

	if (!dryrun)
		return err_set(err, -ENOMEM, "out of memory");
	bpflog_begin();
	dryrun->plane = *live;
	code = load(dryrun, live, maps, progs, err);
	if (code) {
		dryrun_free(dryrun);
		return code;
	}
	dryrun->trace_fd = bpf_map__fd(bpf_object__find_map_by_name(dryrun->skel->obj, "xm_trace"));
	for (int i = 0; maps == DRYRUN_PRIVATE && i < PLANE_MAP_COUNT; i++)
		dryrun->plane.map_fd[i] =
			bpf_map__fd(bpf_object__find_map_by_name(dryrun->skel->obj, plane_map_names[i]));

	*ret_dryrun = dryrun;
	return 0;
}

void dryrun_free(struct dryrun *dryrun)
{
	if (!dryrun)
		return;
	xmesh_bpf__destroy(dryrun->skel);
	free(dryrun);
}

const struct plane *dryrun_plane(const struct dryrun *dryrun)
{
	return &dryrun->plane;
}

int dryrun_run(struct dryrun *dryrun, enum dryrun_prog prog, const struct dryrun_frame *frame,
	       struct dryrun_result *ret_result, struct err *err)
{
	const struct xm_trace empty = { 0 };
	struct __sk_buff ctx = { .ifindex = frame->ifindex,
				 .cb = { (__u32)frame->netns, frame->netns >> 32 } };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame->data, .data_size_in = frame->len,
		    .data_out = ret_result->out, .data_size_out = sizeof(ret_result->out),
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = 1);
	const __u32 zero = 0;
	int code;

	if (bpf_map_update_elem(dryrun->trace_fd, &zero, &empty, BPF_ANY))
		return err_set(err, -errno, "xm_trace: %s", strerror(errno));
	code = bpf_prog_test_run_opts(dryrun->prog_fd[prog], &opts);
	if (code == -ENODEV)
		return err_set(err, code,
			       "interface %u is not in this network namespace: run xmesh in the node's",
			       frame->ifindex);
	if (code == -EINVAL && frame->len > 3 * (size_t)sysconf(_SC_PAGESIZE) / 4)
		return err_set(err, -E2BIG,
			       "this kernel tries no frame of %zu bytes (BPF_PROG_TEST_RUN): ask for a "
			       "smaller one", frame->len);
	if (code)
		return err_set(err, code, "BPF_PROG_TEST_RUN of %s: %s", prog_names[prog], strerror(-code));
	if (bpf_map_lookup_elem(dryrun->trace_fd, &zero, &ret_result->trace))
		return err_set(err, -errno, "xm_trace: %s", strerror(errno));
	if (!ret_result->trace.done)
		return err_set(err, -ENODATA, "%s left no trace of its decision: report this",
			       prog_names[prog]);
	ret_result->verdict = (int)opts.retval;
	ret_result->out_len = opts.data_size_out;
	return 0;
}
