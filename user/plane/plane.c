/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The pinned maps and programs of one instance: opened, adopted or created, removed. Pinned state
 * is input: each map's parameters and the stamp in xm_config are checked before any of it is
 * believed. Not for: what is in the maps (actual.c, apply.c), interfaces (attach.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/capability.h>

#include "core/defs.h"
#include "plane/bpflog.h"
#include "plane/pin.h"
#include "plane/plane.h"
#include "plane/uapi.h"
#include "xmesh.skel.h"

const char *const plane_map_names[PLANE_MAP_COUNT] = {
#define PLANE_MAP_NAME(name, what) #name,
	PLANE_MAPS(PLANE_MAP_NAME)
#undef PLANE_MAP_NAME
};

const char *const plane_map_texts[PLANE_MAP_COUNT] = {
#define PLANE_MAP_TEXT(name, what) what,
	PLANE_MAPS(PLANE_MAP_TEXT)
#undef PLANE_MAP_TEXT
};

const char *const plane_prog_names[PLANE_PROG_COUNT] = {
#define PLANE_PROG_NAME(name, program) #program,
	PLANE_PROGS(PLANE_PROG_NAME)
#undef PLANE_PROG_NAME
};

static void destroy_object(struct xmesh_bpf **skel)
{
	xmesh_bpf__destroy(*skel);
}

#define auto_object __attribute__((cleanup(destroy_object)))
#define auto_plane __attribute__((cleanup(plane_close)))

struct xmesh_bpf *plane_object(void)
{
	return xmesh_bpf__open();
}

int plane_init(const char *bpffs, const char *instance, struct plane *plane, struct err *err)
{
	int i, len;

	memset(plane, 0, sizeof(*plane));
	for (i = 0; i < PLANE_MAP_COUNT; i++)
		plane->map_fd[i] = -1;
	for (i = 0; i < PLANE_PROG_COUNT; i++)
		plane->prog_fd[i] = -1;
	len = snprintf(plane->dir, sizeof(plane->dir), "%s/xmesh/%s", bpffs, instance);
	if (len < 0 || (size_t)len >= sizeof(plane->dir))
		return err_set(err, -ENAMETOOLONG,
			       "bpffs: %s: the path is too long, use a shorter mount point", bpffs);
	len = snprintf(plane->instance, sizeof(plane->instance), "%s", instance);
	if (len < 0 || (size_t)len >= sizeof(plane->instance))
		return err_set(err, -EINVAL, "instance: %s: longer than 32 characters", instance);
	return 0;
}

void plane_close(struct plane *plane)
{
	int i;

	for (i = 0; i < PLANE_MAP_COUNT; i++) {
		defs_close(&plane->map_fd[i]);
		plane->map_fd[i] = -1;
	}
	for (i = 0; i < PLANE_PROG_COUNT; i++) {
		defs_close(&plane->prog_fd[i]);
		plane->prog_fd[i] = -1;
	}
}

/* Said before anything is tried: bpf(2) alone would say EPERM for a dozen reasons. */
static int check_privileges(struct err *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };
	bool admin, bpf, net;

	if (syscall(__NR_capget, &header, data))
		return err_set(err, -errno, "cannot read the capabilities: %s", strerror(errno));
	admin = data[0].effective & CAP_TO_MASK(CAP_SYS_ADMIN);
	net = data[0].effective & CAP_TO_MASK(CAP_NET_ADMIN);
	bpf = data[CAP_TO_INDEX(CAP_BPF)].effective & CAP_TO_MASK(CAP_BPF);
	if ((admin || bpf) && net)
		return 0;
	return err_set(err, -EPERM,
		       "no permission for BPF: run as root, or with CAP_BPF and CAP_NET_ADMIN");
}

static int check_bpffs(const char *bpffs, int missing, struct err *err)
{
	struct statfs fs;

	if (!statfs(bpffs, &fs) && (__u32)fs.f_type == UAPI_BPF_FS_MAGIC)
		return 0;
	return err_set(err, missing,
		       "%s: no BPF file system is mounted there: mount -t bpf bpf %s, or set "
		       "bpffs:", bpffs, bpffs);
}

static int refuse(const struct plane *plane, const char *what, struct err *err)
{
	return err_set(err, -EPROTO,
		       "%s: %s; this xmesh has ABI %d and cannot adopt it: `xmesh --instance %s "
		       "detach --all --purge` removes it (mesh traffic stops), then start again",
		       plane->dir, what, XM_ABI, plane->instance);
}

static int check_parameters(const struct plane *plane, const struct bpf_map *map, int fd,
			    struct err *err)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	char what[160];

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return err_set(err, -errno, "%s/%s: %s", plane->dir, bpf_map__name(map),
			       strerror(errno));
	if (info.type == bpf_map__type(map) && info.key_size == bpf_map__key_size(map) &&
	    info.value_size == bpf_map__value_size(map) &&
	    info.max_entries == bpf_map__max_entries(map))
		return 0;
	snprintf(what, sizeof(what),
		 "%s has type %u, key %u, value %u, entries %u instead of %u, %u, %u, %u",
		 bpf_map__name(map), info.type, info.key_size, info.value_size, info.max_entries,
		 bpf_map__type(map), bpf_map__key_size(map), bpf_map__value_size(map),
		 bpf_map__max_entries(map));
	return refuse(plane, what, err);
}

static int check_stamp(const struct plane *plane, struct err *err)
{
	struct xm_config config;
	uint32_t zero = 0;
	char what[80];

	if (bpf_map_lookup_elem(plane->map_fd[PLANE_xm_config], &zero, &config))
		return err_set(err, -errno, "%s/xm_config: %s", plane->dir, strerror(errno));
	if (config.magic != XM_ABI_MAGIC)
		return refuse(plane, "xm_config does not bear our stamp", err);
	if (config.abi != XM_ABI) {
		snprintf(what, sizeof(what), "the tables were written with ABI %u", config.abi);
		return refuse(plane, what, err);
	}
	return 0;
}

/*
 * Descriptors of the maps that are pinned, checked against @skel. 0 with xm_config at -1: nothing
 * is pinned at all.
 */
static int open_maps(struct plane *plane, const struct xmesh_bpf *skel, struct err *err)
{
	char path[PIN_PATH_MAX];
	bool others = false;
	int i, fd, code;

	for (i = 0; i < PLANE_MAP_COUNT; i++) {
		struct bpf_map *map =
			bpf_object__find_map_by_name(skel->obj, plane_map_names[i]);

		if (!map)
			return err_set(err, -ENOENT, "the BPF object of this binary lacks %s",
				       plane_map_names[i]);
		snprintf(path, sizeof(path), "%s/%s", plane->dir, plane_map_names[i]);
		fd = bpf_obj_get(path);
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0) {
			code = errno == EACCES ? -EPERM : -errno;
			return err_set(err, code, "%s: %s", path, strerror(-code));
		}
		plane->map_fd[i] = fd;
		code = check_parameters(plane, map, fd, err);
		if (code)
			return code;
		others |= i != PLANE_xm_config;
	}
	/* xm_config is pinned first and removed last: without it nothing vouches for the rest. */
	if (plane->map_fd[PLANE_xm_config] < 0)
		return others ? refuse(plane, "xm_config is missing there", err) : 0;
	return check_stamp(plane, err);
}

int plane_open(const char *bpffs, const char *instance, struct plane *ret_plane, struct err *err)
{
	auto_object struct xmesh_bpf *skel = NULL;
	auto_plane struct plane plane;
	char path[PIN_PATH_MAX];
	int code, i;

	bpflog_begin();
	code = plane_init(bpffs, instance, &plane, err);
	if (!code)
		code = check_privileges(err);
	if (!code)
		code = check_bpffs(bpffs, -ENOENT, err);
	if (code)
		return code;
	skel = plane_object();
	if (!skel)
		return err_set(err, -errno, "the BPF object of this binary does not open: %s: %s",
			       strerror(errno), bpflog_tail(600));
	code = open_maps(&plane, skel, err);
	if (code)
		return code;
	if (plane.map_fd[PLANE_xm_config] < 0)
		return err_set(err, -ENOENT,
			       "%s: nothing is pinned for instance %s: no agent has run here; "
			       "start `xmesh agent`, or attach with `xmesh attach`", plane.dir, instance);
	for (i = 0; i < PLANE_PROG_COUNT; i++) {
		snprintf(path, sizeof(path), "%s/progs/%s", plane.dir, plane_prog_names[i]);
		plane.prog_fd[i] = bpf_obj_get(path);
		if (plane.prog_fd[i] < 0)
			plane.prog_fd[i] = -1;
	}
	plane.features.tcx = features_has_tcx();

	*ret_plane = plane;
	plane_init(bpffs, instance, &plane, NULL);
	return 0;
}

static int check_features(const struct features *features, struct err *err)
{
#define CHECK(field, text, needed)                                                                 \
	if ((needed) && !features->field)                                                          \
		return err_set(err, -ENOTSUP, "this kernel lacks what xmesh needs: %s", text);
	FEATURES(CHECK)
#undef CHECK
	return 0;
}

/*
 * A hook that the kernel lacks: its program is not loaded, and its descriptor stays -1. Nor is what
 * only a dry run needs.
 */
static bool prog_has_hook(const struct plane *plane, const struct bpf_program *prog)
{
	if (!strcmp(bpf_program__name(prog), "xm_explain_socket"))
		return false;
	if (bpf_program__type(prog) == BPF_PROG_TYPE_SOCK_OPS)
		return plane->features.sockops;
	return bpf_program__type(prog) != BPF_PROG_TYPE_CGROUP_SOCK_ADDR || plane->features.sockets;
}

static int load_object(struct plane *plane, struct xmesh_bpf *skel, struct err *err)
{
	struct bpf_program *prog;
	int i, code;

	skel->rodata->xm_knobs.has_decap_l3 = plane->features.decap_l3;
	skel->rodata->xm_knobs.has_encap_eth = plane->features.encap_eth;
	skel->rodata->xm_knobs.has_check_mtu = plane->features.check_mtu;
	skel->rodata->xm_knobs.has_coarse_clock = plane->features.coarse_clock;
	skel->rodata->xm_knobs.has_set_retval = plane->features.set_retval;
	skel->rodata->xm_knobs.has_netns_cookie = plane->features.netns_cookie;
	bpf_object__for_each_program(prog, skel->obj)
		bpf_program__set_autoload(prog, prog_has_hook(plane, prog));
	for (i = 0; i < PLANE_MAP_COUNT; i++) {
		if (plane->map_fd[i] < 0)
			continue;
		code = bpf_map__reuse_fd(bpf_object__find_map_by_name(skel->obj,
								      plane_map_names[i]),
					 plane->map_fd[i]);
		if (code)
			return err_set(err, code, "%s/%s: cannot be adopted: %s: %s", plane->dir,
				       plane_map_names[i], strerror(-code), bpflog_tail(400));
	}
	code = xmesh_bpf__load(skel);
	if (code)
		return err_set(err, code, "loading the BPF programs failed: %s: %s",
			       strerror(-code), bpflog_tail(800));
	return 0;
}

/* So that adoption by the next process can tell a new table from a stranger's. */
static int write_stamp(int fd, struct err *err)
{
	struct xm_config config = { .magic = XM_ABI_MAGIC, .abi = XM_ABI };
	uint32_t zero = 0;

	if (bpf_map_update_elem(fd, &zero, &config, BPF_ANY))
		return err_set(err, -errno, "cannot write xm_config: %s", strerror(errno));
	return 0;
}

/* @src is the skeleton's: it closes its descriptors, we keep ours. */
static int keep_fd(int src, int *ret_fd, struct err *err)
{
	int fd = fcntl(src, F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return err_set(err, -errno, "cannot duplicate a descriptor: %s", strerror(errno));
	*ret_fd = fd;
	return 0;
}

static int pin_maps(struct plane *plane, const struct xmesh_bpf *skel, struct err *err)
{
	char path[PIN_PATH_MAX];
	int i, fd, code;

	for (i = 0; i < PLANE_MAP_COUNT; i++) {
		if (plane->map_fd[i] >= 0)
			continue;
		fd = bpf_map__fd(bpf_object__find_map_by_name(skel->obj, plane_map_names[i]));
		if (i == PLANE_xm_config) {
			code = write_stamp(fd, err);
			if (code)
				return code;
		}
		snprintf(path, sizeof(path), "%s/%s", plane->dir, plane_map_names[i]);
		code = pin_put(fd, path, err);
		if (!code)
			code = keep_fd(fd, &plane->map_fd[i], err);
		if (code)
			return code;
	}
	return 0;
}

static int pin_programs(struct plane *plane, const struct xmesh_bpf *skel, struct err *err)
{
	char path[PIN_PATH_MAX];
	struct bpf_program *prog;
	int i, code;

	for (i = 0; i < PLANE_PROG_COUNT; i++) {
		prog = bpf_object__find_program_by_name(skel->obj, plane_prog_names[i]);
		if (!prog)
			return err_set(err, -ENOENT, "the BPF object of this binary lacks %s",
				       plane_prog_names[i]);
		if (!prog_has_hook(plane, prog))
			continue;
		snprintf(path, sizeof(path), "%s/progs/%s", plane->dir, plane_prog_names[i]);
		code = pin_put(bpf_program__fd(prog), path, err);
		if (!code)
			code = keep_fd(bpf_program__fd(prog), &plane->prog_fd[i], err);
		if (code)
			return code;
	}
	return 0;
}

static int make_dirs(const char *bpffs, const struct plane *plane, struct err *err)
{
	char path[PIN_PATH_MAX];
	int code;

	snprintf(path, sizeof(path), "%s/xmesh", bpffs);
	code = pin_dir_make(path, err);
	if (!code)
		code = pin_dir_make(plane->dir, err);
	snprintf(path, sizeof(path), "%s/progs", plane->dir);
	if (!code)
		code = pin_dir_make(path, err);
	snprintf(path, sizeof(path), "%s/links", plane->dir);
	if (!code)
		code = pin_dir_make(path, err);
	return code;
}

int plane_load(const char *bpffs, const char *instance, struct plane *ret_plane, struct err *err)
{
	auto_object struct xmesh_bpf *skel = NULL;
	auto_plane struct plane plane;
	int code;

	bpflog_begin();
	code = plane_init(bpffs, instance, &plane, err);
	if (!code)
		code = check_privileges(err);
	if (!code)
		code = check_bpffs(bpffs, -ENODEV, err);
	if (code)
		return code;
	features_probe(&plane.features);
	code = check_features(&plane.features, err);
	if (code)
		return code;
	skel = plane_object();
	if (!skel)
		return err_set(err, -errno, "the BPF object of this binary does not open: %s: %s",
			       strerror(errno), bpflog_tail(600));
	code = open_maps(&plane, skel, err);
	/* Nothing is pinned before everything is loaded: a refused program leaves no trace. */
	if (!code)
		code = load_object(&plane, skel, err);
	if (!code)
		code = make_dirs(bpffs, &plane, err);
	if (!code)
		code = pin_maps(&plane, skel, err);
	if (!code)
		code = pin_programs(&plane, skel, err);
	if (code)
		return code;

	*ret_plane = plane;
	plane_init(bpffs, instance, &plane, NULL);
	return 0;
}

int plane_purge(const char *bpffs, const char *instance, struct err *err)
{
	char path[PIN_PATH_MAX];
	struct plane plane;
	int code;

	code = plane_init(bpffs, instance, &plane, err);
	if (!code)
		code = check_privileges(err);
	if (code)
		return code;
	snprintf(path, sizeof(path), "%s/links", plane.dir);
	if (!pin_dir_empty(path))
		return err_set(err, -EBUSY,
			       "%s: programs are still attached to interfaces: detach them first",
			       path);
	code = pin_dir_remove(path, NULL, err);
	snprintf(path, sizeof(path), "%s/progs", plane.dir);
	if (!code)
		code = pin_dir_remove(path, NULL, err);
	if (!code)
		code = pin_dir_remove(plane.dir, "xm_config", err);
	if (code)
		return code;
	/* Shared with other instances: stays while one of them is there. */
	snprintf(path, sizeof(path), "%s/xmesh", bpffs);
	rmdir(path);
	return 0;
}
