/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Our programs on cgroups: where cgroup v2 is mounted, which of its folders get them, and the
 * pinned links that hold them there. Links attach beside what others attached (BPF_F_ALLOW_MULTI);
 * for a socket all programs from its own cgroup up to the root run, those of the descendant first,
 * so that at kubepods ours come before what a CNI has at the root.
 * Not for: what the programs do (bpf/socket.h), whether sockets are wanted (agent/).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/magic.h>

#include "core/defs.h"
#include "core/file.h"
#include "core/vec.h"
#include "plane/bpflog.h"
#include "plane/pin.h"
#include "plane/sockets.h"

#define MOUNTINFO_MAX (16u << 20)
#define PIN_PREFIX "sock-"
/* A cgroup's file handle is its id (enum fid_type FILEID_KERNFS, fs/kernfs/mount.c, 5.5). */
#define HANDLE_KERNFS 0xfe

/*
 * In the order of attaching: who translates back before who translates, so that no socket sees a
 * backend that it did not ask for. They are taken off the other way round.
 */
static const struct {
	enum plane_prog prog;
	enum bpf_attach_type at;
	const char *text;
} hooks[] = {
	/* Measures alone: the one that may be missing. */
	{ PLANE_SOCKOPS, BPF_CGROUP_SOCK_OPS, "sockops" },
	{ PLANE_GETPEER4, BPF_CGROUP_INET4_GETPEERNAME, "cgroup/getpeername4" },
	{ PLANE_GETPEER6, BPF_CGROUP_INET6_GETPEERNAME, "cgroup/getpeername6" },
	{ PLANE_RECVMSG4, BPF_CGROUP_UDP4_RECVMSG, "cgroup/recvmsg4" },
	{ PLANE_RECVMSG6, BPF_CGROUP_UDP6_RECVMSG, "cgroup/recvmsg6" },
	{ PLANE_SENDMSG4, BPF_CGROUP_UDP4_SENDMSG, "cgroup/sendmsg4" },
	{ PLANE_SENDMSG6, BPF_CGROUP_UDP6_SENDMSG, "cgroup/sendmsg6" },
	{ PLANE_CONNECT4, BPF_CGROUP_INET4_CONNECT, "cgroup/connect4" },
	{ PLANE_CONNECT6, BPF_CGROUP_INET6_CONNECT, "cgroup/connect6" },
};

/* What kubelets call the cgroup of all pods: cgroupfs driver, systemd driver, and both in kind. */
static const char *const pod_cgroups[] = {
	"kubepods",
	"kubepods.slice",
	"kubelet/kubepods",
	"kubelet.slice/kubelet-kubepods.slice",
};

/* ---- where ---- */

static bool is_cgroup2(const char *path)
{
	struct statfs fs;
	struct stat st;

	return !statfs(path, &fs) && (__u32)fs.f_type == CGROUP2_SUPER_MAGIC && !stat(path, &st) &&
	       S_ISDIR(st.st_mode);
}

/* mountinfo writes blanks and backslashes as \040 and the like. In place. */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' &&
		    text[2] <= '7' && text[3] >= '0' && text[3] <= '7') {
			*to++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 |
				       (text[3] - '0'));
			text += 3;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

/*
 * One line of proc_pid_mountinfo(5): ID PARENT MAJ:MIN ROOT POINT OPTIONS [TAG...] - TYPE SOURCE
 * SUPER. False: no cgroup v2. @line is cut to pieces.
 */
static bool parse_mount(char *line, char **ret_root, char **ret_point)
{
	char *type = strstr(line, " - "), *field, *rest = line;
	char *fields[5];
	size_t n = 0;

	if (!type || strncmp(type, " - cgroup2 ", 11))
		return false;
	while (n < ARRAY_SIZE(fields) && (field = strsep(&rest, " ")))
		fields[n++] = field;
	if (n < ARRAY_SIZE(fields))
		return false;
	*ret_root = fields[3];
	*ret_point = fields[4];
	unescape(*ret_root);
	unescape(*ret_point);
	return true;
}

/* The mount of the whole hierarchy, else of a part of it. All mounts show the one hierarchy. */
static int find_mount(const char *mountinfo, char ret_point[256], struct err *err)
{
	auto_free char *text = NULL;
	char found[256] = "", *line, *rest, *root, *point;
	bool whole = false;
	size_t len;
	int code;

	code = file_read(AT_FDCWD, mountinfo, mountinfo, MOUNTINFO_MAX, 0, &text, &len, err);
	if (code)
		return code;
	rest = text;
	while (!whole && (line = strsep(&rest, "\n"))) {
		if (!parse_mount(line, &root, &point) || strlen(point) >= sizeof(found) ||
		    !is_cgroup2(point))
			continue;
		whole = !strcmp(root, "/");
		if (whole || !found[0])
			strcpy(found, point);
	}
	if (!found[0])
		return err_set(err, -ENOENT,
			       "no cgroup v2 is mounted (%s): mount one (mount -t cgroup2 none "
			       "/sys/fs/cgroup/unified), or set socket_lb: off", mountinfo);
	strcpy(ret_point, found);
	return 0;
}

static int find_given(const char *path, struct sockets_place *ret_places, size_t *ret_n,
		      struct err *err)
{
	if (strlen(path) >= sizeof(ret_places->path))
		return err_set(err, -ENAMETOOLONG, "socket_lb: %s: longer than %zu bytes", path,
			       sizeof(ret_places->path) - 1);
	if (access(path, F_OK))
		return err_set(err, -ENOENT,
			       "socket_lb: %s: %s: set it to a folder of cgroup v2, auto or off",
			       path, strerror(errno));
	if (!is_cgroup2(path))
		return err_set(err, -ENOENT,
			       "socket_lb: %s: not a folder of cgroup v2 (`findmnt -t cgroup2` "
			       "shows where that is): set one of its folders, auto or off", path);

	strcpy(ret_places[0].path, path);
	*ret_n = 1;
	return 0;
}

int sockets_find(const char *mountinfo, const char *wanted, struct sockets_place *ret_places,
		 size_t *ret_n, struct err *err)
{
	char mount[256], path[PATH_MAX];
	size_t n = 0, i;
	int code, len;

	if (strcmp(wanted, "auto"))
		return find_given(wanted, ret_places, ret_n, err);
	code = find_mount(mountinfo, mount, err);
	if (code)
		return code;
	for (i = 0; i < ARRAY_SIZE(pod_cgroups) && n < SOCKETS_MAX_CGROUPS - 1; i++) {
		len = snprintf(path, sizeof(path), "%s/%s", mount, pod_cgroups[i]);
		if ((size_t)len < sizeof(ret_places[n].path) && is_cgroup2(path))
			strcpy(ret_places[n++].path, path);
	}
	strcpy(ret_places[n++].path, mount);

	*ret_n = n;
	return 0;
}

/* ---- links ---- */

struct cgroup {
	const char *path;
	int fd;
	uint64_t id;
};

static int cgroup_id(int fd, uint64_t *ret_id)
{
	union {
		struct file_handle head;
		unsigned char room[sizeof(struct file_handle) + 8];
	} handle = { .head.handle_bytes = 8 };
	int mount;

	if (name_to_handle_at(fd, "", &handle.head, &mount, AT_EMPTY_PATH))
		return -errno;
	memcpy(ret_id, handle.head.f_handle, sizeof(*ret_id));
	return 0;
}

static void close_cgroups(struct cgroup *cgroups, size_t n)
{
	while (n)
		defs_close(&cgroups[--n].fd);
}

static int open_cgroup(const char *path, struct cgroup *ret_cgroup, struct err *err)
{
	auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t id = 0;
	int code;

	if (fd < 0) {
		code = -errno;
		return err_set(err, code, "cgroup %s: %s", path, strerror(-code));
	}
	code = cgroup_id(fd, &id);
	if (code)
		return err_set(err, code, "cgroup %s: it has no id: %s", path, strerror(-code));

	*ret_cgroup = (struct cgroup){ .path = path, .fd = take_fd(fd), .id = id };
	return 0;
}

static void pin_name(const char *prog, uint64_t id, char ret_name[64])
{
	snprintf(ret_name, 64, PIN_PREFIX "%s-%llu", prog, (unsigned long long)id);
}

static void pin_path(const struct plane *plane, const char *name, char ret_path[PIN_PATH_MAX])
{
	snprintf(ret_path, PIN_PATH_MAX, "%s/links/%s", plane->dir, name);
}

/* The cgroup's id in a pin's name; 0: not one of these, or one that is being replaced. */
static uint64_t pin_cgroup(const char *name)
{
	const char *digits = strrchr(name, '-');
	unsigned long long id;
	char *end;

	if (strncmp(name, PIN_PREFIX, strlen(PIN_PREFIX)) || digits < name + strlen(PIN_PREFIX))
		return 0;
	errno = 0;
	id = strtoull(++digits, &end, 10);
	return *digits < '0' || *digits > '9' || *end || errno ? 0 : id;
}

static int remove_pin(const struct plane *plane, const char *name, struct err *err)
{
	char path[PIN_PATH_MAX];
	auto_close int fd = -1;
	int code;

	pin_path(plane, name, path);
	fd = bpf_obj_get(path);
	/* At once, where the pin's end would do it later; refused when the cgroup is gone. */
	if (fd >= 0)
		bpf_link_detach(fd);
	if (!unlink(path) || errno == ENOENT)
		return 0;
	code = -errno;
	return err_set(err, code, "cannot remove %s: %s", path, strerror(-code));
}

static int read_link(int fd, uint64_t *ret_cgroup, uint32_t *ret_prog, struct err *err)
{
	struct bpf_link_info info = { 0 };
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return err_set(err, -errno, "cannot read a pinned link: %s", strerror(errno));
	*ret_cgroup = info.cgroup.cgroup_id;
	*ret_prog = info.prog_id;
	return 0;
}

static int make_link(const struct plane *plane, size_t hook, const struct cgroup *cgroup,
		     const char *path, struct err *err)
{
	auto_close int fd = bpf_link_create(plane->prog_fd[hooks[hook].prog], cgroup->fd,
					    hooks[hook].at, NULL);

	if (fd >= 0)
		return pin_put(fd, path, err);
	if (fd == -EPERM)
		return err_set(err, fd,
			       "%s: %s: the kernel refuses (EPERM): a program that is attached "
			       "there or above without BPF_F_ALLOW_MULTI tolerates no other "
			       "(`bpftool cgroup tree` shows it), or CAP_NET_ADMIN is missing",
			       cgroup->path, hooks[hook].text);
	return err_set(err, fd, "%s: cannot attach %s: %s", cgroup->path, hooks[hook].text,
		       strerror(-fd));
}

static int put_link(const struct plane *plane, size_t hook, const struct cgroup *cgroup,
		    size_t *changed, struct err *err)
{
	int prog_fd = plane->prog_fd[hooks[hook].prog], code;
	char name[64], path[PIN_PATH_MAX];
	auto_close int fd = -1;
	uint32_t prog = 0;
	uint64_t at = 0;

	pin_name(plane_prog_names[hooks[hook].prog], cgroup->id, name);
	pin_path(plane, name, path);
	fd = bpf_obj_get(path);
	if (fd < 0 && errno != ENOENT) {
		code = -errno;
		return err_set(err, code, "%s: %s", path, strerror(-code));
	}
	if (fd >= 0) {
		code = read_link(fd, &at, &prog, err);
		if (code)
			return code;
	}
	/* Detached by somebody: its place is made again, and pin_put() replaces the pin. */
	if (at != cgroup->id) {
		++*changed;
		return make_link(plane, hook, cgroup, path, err);
	}
	if (prog == pin_prog_id(prog_fd))
		return 0;
	if (bpf_link_update(fd, prog_fd, NULL)) {
		code = -errno;
		return err_set(err, code, "%s: cannot replace the program at %s: %s", cgroup->path,
			       hooks[hook].text, strerror(-code));
	}
	++*changed;
	return 0;
}

/* All pins of links of this kind, whole or being replaced. */
static int list_names(const struct plane *plane, char ***ret_names, size_t *ret_n, struct err *err)
{
	char path[PIN_PATH_MAX], **names = NULL;
	struct dirent *entry;
	size_t n = 0;
	int code = 0;
	DIR *dir;

	pin_path(plane, "", path);
	dir = opendir(path);
	if (!dir && errno != ENOENT) {
		code = -errno;
		return err_set(err, code, "cannot read %s: %s", path, strerror(-code));
	}
	while (!code && dir && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, PIN_PREFIX, strlen(PIN_PREFIX)))
			code = vec_note(&names, &n, "%s", entry->d_name);
	if (dir)
		closedir(dir);
	if (code) {
		vec_free_notes(names, n);
		return err_set(err, code, "out of memory");
	}

	*ret_names = names;
	*ret_n = n;
	return 0;
}

/* Place in hooks[]; one behind all for a program of another version. */
static size_t hook_of(const char *name)
{
	char wanted[64];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(hooks); i++) {
		pin_name(plane_prog_names[hooks[i].prog], pin_cgroup(name), wanted);
		if (!strcmp(name, wanted))
			break;
	}
	return i;
}

static bool is_wanted(const char *name, const struct cgroup *cgroups, size_t n)
{
	uint64_t id = pin_cgroup(name);
	size_t i;

	for (i = 0; i < n; i++)
		if (id == cgroups[i].id)
			return hook_of(name) < ARRAY_SIZE(hooks);
	return false;
}

static int remove_others(const struct plane *plane, const struct cgroup *cgroups, size_t n,
			 size_t *changed, struct err *err)
{
	size_t n_names = 0, i, hook;
	char **names = NULL;
	int code;

	code = list_names(plane, &names, &n_names, err);
	for (hook = ARRAY_SIZE(hooks) + 1; !code && hook-- > 0;) {
		for (i = 0; !code && i < n_names; i++) {
			if (hook_of(names[i]) != hook || is_wanted(names[i], cgroups, n))
				continue;
			code = remove_pin(plane, names[i], err);
			++*changed;
		}
	}
	vec_free_notes(names, n_names);
	return code;
}

static int check_hooks(const struct plane *plane, struct err *err)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(hooks); i++)
		if (plane->prog_fd[hooks[i].prog] < 0 && hooks[i].prog != PLANE_SOCKOPS)
			return err_set(err, -ENOTSUP,
				       "%s is not loaded: this kernel lacks the hook %s: services "
				       "are translated per packet; socket_lb: off silences this",
				       plane_prog_names[hooks[i].prog], hooks[i].text);
	return 0;
}

int sockets_sync(struct plane *plane, const struct sockets_place *places, size_t n,
		 size_t *ret_changed, struct err *err)
{
	struct cgroup cgroups[SOCKETS_MAX_CGROUPS];
	size_t opened = 0, changed = 0, i, hook;
	int code = 0;

	bpflog_begin();
	if (n > SOCKETS_MAX_CGROUPS)
		return err_set(err, -E2BIG, "more than %d cgroups for socket programs",
			       SOCKETS_MAX_CGROUPS);
	if (n)
		code = check_hooks(plane, err);
	for (i = 0; !code && i < n; i++) {
		code = open_cgroup(places[i].path, &cgroups[i], err);
		opened += !code;
	}
	for (i = 0; !code && i < n; i++)
		for (hook = 0; !code && hook < ARRAY_SIZE(hooks); hook++)
			if (plane->prog_fd[hooks[hook].prog] >= 0)
				code = put_link(plane, hook, &cgroups[i], &changed, err);
	if (!code)
		code = remove_others(plane, cgroups, n, &changed, err);
	close_cgroups(cgroups, opened);
	if (code)
		return code;

	*ret_changed = changed;
	return 0;
}

/* ---- what is attached ---- */

/* The folder of a cgroup, seen from @mount_fd; false when it is gone or not below that mount. */
static bool cgroup_path(int mount_fd, uint64_t id, char ret_path[256])
{
	union {
		struct file_handle head;
		unsigned char room[sizeof(struct file_handle) + 8];
	} handle = { .head = { .handle_bytes = 8, .handle_type = HANDLE_KERNFS } };
	auto_close int fd = -1;
	char link[64];
	ssize_t len;

	memcpy(handle.head.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(mount_fd, &handle.head, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, ret_path, 256);
	if (len <= 0 || len >= 256)
		return false;
	ret_path[len] = '\0';
	return true;
}

int sockets_list(const struct plane *plane, struct sockets_place **ret_places, size_t *ret_n,
		 struct err *err)
{
	auto_free struct sockets_place *places = NULL;
	auto_free uint64_t *ids = NULL;
	auto_close int mount_fd = -1;
	size_t n_names = 0, n = 0, i, j;
	char **names = NULL, mount[256];
	int code;

	code = list_names(plane, &names, &n_names, err);
	if (code)
		return code;
	places = calloc(n_names + 1, sizeof(*places));
	ids = calloc(n_names + 1, sizeof(*ids));
	for (i = 0; places && ids && i < n_names; i++) {
		ids[n] = pin_cgroup(names[i]);
		for (j = 0; ids[j] != ids[n]; j++)
			;
		n += ids[n] && j == n;
	}
	vec_free_notes(names, n_names);
	if (!places || !ids)
		return err_set(err, -ENOMEM, "out of memory");
	/* Without a mount there are still the ids. */
	if (n && !find_mount("/proc/self/mountinfo", mount, NULL))
		mount_fd = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (i = 0; i < n; i++)
		if (!cgroup_path(mount_fd, ids[i], places[i].path))
			snprintf(places[i].path, sizeof(places[i].path), "cgroup %llu",
				 (unsigned long long)ids[i]);

	*ret_places = take(places);
	*ret_n = n;
	return 0;
}
