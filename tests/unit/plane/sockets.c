/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Socket programs on cgroups: where, attached, replaced, moved, taken off. */
#include <fcntl.h>
#include <time.h>

#include "plane/pin.h"
#include "unit/plane/cgroup.h"

#define N_HOOKS 9

static struct sockets_place places[SOCKETS_MAX_CGROUPS];
static size_t n_places, changed;

/* A mountinfo file of one line; the mount is a cgroup of the test, seen by itself. */
static char info_file[80], info_mount[80];

static void info_write(const char *root, const char *point, const char *type)
{
	FILE *f;

	snprintf(info_file, sizeof(info_file), "%s-info", host_bpffs);
	f = fopen(info_file, "w");
	assert_non_null(f);
	fprintf(f, "22 1 254:1 / / rw,relatime - ext4 /dev/root rw\n"
		   "31 22 0:27 %s %s rw,nosuid shared:4 - %s none rw\n", root, point, type);
	fclose(f);
}

static void info_begin(void)
{
	snprintf(info_mount, sizeof(info_mount), "%s own cgroups", host_bpffs);
	assert_int_equal(mkdir(info_mount, 0700), 0);
	assert_int_equal(mount(cgroup_own.path, info_mount, NULL, MS_BIND, NULL), 0);
}

static void info_end(void)
{
	umount2(info_mount, MNT_DETACH);
	rmdir(info_mount);
	unlink(info_file);
}

static void the_pods_cgroup_comes_first_and_then_the_root(void **state)
{
	struct sockets_place pods;
	char point[100];

	host_need_root();
	info_begin();
	/* As the kernel writes a blank. */
	snprintf(point, sizeof(point), "%s\\040own\\040cgroups", host_bpffs);
	info_write("/", point, "cgroup2");
	assert_done(sockets_find(info_file, "auto", places, &n_places, &err));
	assert_int_equal(n_places, 1);
	assert_string_equal(places[0].path, info_mount);

	pods = cgroup_make(cgroup_own.path, "kubepods.slice");
	assert_done(sockets_find(info_file, "auto", places, &n_places, &err));
	assert_int_equal(n_places, 2);
	assert_non_null(strstr(places[0].path, "own cgroups/kubepods.slice"));
	assert_string_equal(places[1].path, info_mount);
	rmdir(pods.path);

	pods = cgroup_make(cgroup_own.path, "kubepods");
	assert_done(sockets_find(info_file, "auto", places, &n_places, &err));
	assert_int_equal(n_places, 2);
	assert_non_null(strstr(places[0].path, "own cgroups/kubepods"));
	rmdir(pods.path);
	info_end();
}

static void without_cgroup2_it_says_what_to_do(void **state)
{
	host_need_root();
	info_begin();
	info_write("/", "/sys/fs/cgroup/memory", "cgroup");
	assert_int_equal(sockets_find(info_file, "auto", places, &n_places, &err), -ENOENT);
	assert_non_null(strstr(err.text, "mount -t cgroup2"));
	assert_non_null(strstr(err.text, "socket_lb: off"));
	/* Mounted over by something else. */
	info_write("/", "/tmp", "cgroup2");
	assert_int_equal(sockets_find(info_file, "auto", places, &n_places, &err), -ENOENT);
	info_end();
	assert_int_equal(sockets_find("/nowhere", "auto", places, &n_places, &err), -ENOENT);
}

static void a_given_folder_is_taken_alone_or_refused_with_a_sentence(void **state)
{
	char path[400];

	host_need_root();
	assert_done(sockets_find("/nowhere", cgroup_own.path, places, &n_places, &err));
	assert_int_equal(n_places, 1);
	assert_string_equal(places[0].path, cgroup_own.path);

	assert_int_equal(sockets_find("/nowhere", "/tmp", places, &n_places, &err), -ENOENT);
	assert_non_null(strstr(err.text, "not a folder of cgroup v2"));
	assert_int_equal(sockets_find("/nowhere", "/nowhere", places, &n_places, &err), -ENOENT);
	assert_non_null(strstr(err.text, "socket_lb: /nowhere"));
	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup_own.path);
	assert_int_equal(sockets_find("/nowhere", path, places, &n_places, &err), -ENOENT);
	memset(path, 'x', 300);
	path[300] = '\0';
	assert_int_equal(sockets_find("/nowhere", path, places, &n_places, &err), -ENAMETOOLONG);
}

static void programs_are_attached_once_and_replaced_in_place(void **state)
{
	static const enum bpf_attach_type at[N_HOOKS] = {
		BPF_CGROUP_INET4_CONNECT,     BPF_CGROUP_INET6_CONNECT,
		BPF_CGROUP_UDP4_SENDMSG,      BPF_CGROUP_UDP6_SENDMSG,
		BPF_CGROUP_UDP4_RECVMSG,      BPF_CGROUP_UDP6_RECVMSG,
		BPF_CGROUP_INET4_GETPEERNAME, BPF_CGROUP_INET6_GETPEERNAME,
		BPF_CGROUP_SOCK_OPS,
	};
	struct plane plane;
	size_t i;

	host_need_root();
	plane = host_load();
	assert_done(sockets_sync(&plane, &cgroup_own, 1, &changed, &err));
	assert_int_equal(changed, N_HOOKS);
	for (i = 0; i < N_HOOKS; i++)
		assert_int_equal(cgroup_count(cgroup_own.path, at[i]), 1);
	assert_done(sockets_sync(&plane, &cgroup_own, 1, &changed, &err));
	assert_int_equal(changed, 0);
	plane_close(&plane);

	/* The programs of the next agent. */
	plane = host_load();
	assert_done(sockets_sync(&plane, &cgroup_own, 1, &changed, &err));
	assert_int_equal(changed, N_HOOKS);
	for (i = 0; i < N_HOOKS; i++)
		assert_int_equal(cgroup_count(cgroup_own.path, at[i]), 1);

	assert_done(sockets_sync(&plane, NULL, 0, &changed, &err));
	assert_int_equal(changed, N_HOOKS);
	for (i = 0; i < N_HOOKS; i++)
		assert_int_equal(cgroup_count(cgroup_own.path, at[i]), 0);
	host_clean(&plane);
}

static void programs_of_others_stay(void **state)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_CGROUP_INET4_CONNECT);
	struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	struct plane plane;
	int prog, cgroup;

	host_need_root();
	prog = bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "other", "GPL", insns, 2, &opts);
	cgroup = open(cgroup_own.path, O_RDONLY | O_DIRECTORY);
	assert_true(prog >= 0 && cgroup >= 0);
	assert_int_equal(bpf_prog_attach(prog, cgroup, BPF_CGROUP_INET4_CONNECT,
					 BPF_F_ALLOW_MULTI), 0);
	plane = host_load();
	assert_done(sockets_sync(&plane, &cgroup_own, 1, &changed, &err));
	assert_int_equal(cgroup_count(cgroup_own.path, BPF_CGROUP_INET4_CONNECT), 2);
	assert_done(sockets_sync(&plane, NULL, 0, &changed, &err));
	assert_int_equal(cgroup_count(cgroup_own.path, BPF_CGROUP_INET4_CONNECT), 1);
	assert_int_equal(bpf_prog_detach2(prog, cgroup, BPF_CGROUP_INET4_CONNECT), 0);

	/* One that tolerates no other is named. */
	assert_int_equal(bpf_prog_attach(prog, cgroup, BPF_CGROUP_INET4_CONNECT, 0), 0);
	assert_int_equal(sockets_sync(&plane, &cgroup_own, 1, &changed, &err), -EPERM);
	assert_non_null(strstr(err.text, "connect4"));
	assert_int_equal(bpf_prog_detach2(prog, cgroup, BPF_CGROUP_INET4_CONNECT), 0);
	close(prog);
	close(cgroup);
	host_clean(&plane);
}

static void another_cgroup_gets_them_and_the_first_loses_them(void **state)
{
	struct sockets_place a, b, *list = NULL;
	struct plane plane;
	size_t n;

	host_need_root();
	a = cgroup_make(cgroup_own.path, "a");
	b = cgroup_make(cgroup_own.path, "b");
	plane = host_load();
	assert_done(sockets_sync(&plane, &a, 1, &changed, &err));
	assert_done(sockets_list(&plane, &list, &n, &err));
	assert_int_equal(n, 1);
	assert_string_equal(list[0].path, a.path);
	free(list);

	assert_done(sockets_sync(&plane, &b, 1, &changed, &err));
	assert_int_equal(changed, 2 * N_HOOKS);
	assert_int_equal(cgroup_count(a.path, BPF_CGROUP_INET6_CONNECT), 0);
	assert_int_equal(cgroup_count(b.path, BPF_CGROUP_INET6_CONNECT), 1);
	assert_done(sockets_list(&plane, &list, &n, &err));
	assert_int_equal(n, 1);
	assert_string_equal(list[0].path, b.path);
	free(list);

	/* Pins of links whose cgroup is gone: named by id, and swept. */
	rmdir(b.path);
	assert_done(sockets_list(&plane, &list, &n, &err));
	assert_int_equal(n, 1);
	assert_int_equal(strncmp(list[0].path, "cgroup ", 7), 0);
	free(list);
	assert_done(sockets_sync(&plane, &a, 1, &changed, &err));
	assert_int_equal(changed, 2 * N_HOOKS);
	assert_done(sockets_sync(&plane, NULL, 0, &changed, &err));
	assert_done(sockets_list(&plane, &list, &n, &err));
	assert_int_equal(n, 0);
	free(list);
	rmdir(a.path);
	host_clean(&plane);
}

static void a_link_that_somebody_detached_is_made_again(void **state)
{
	struct bpf_link_info info = { 0 };
	__u32 len = sizeof(info);
	char path[PIN_PATH_MAX];
	struct plane plane;
	struct stat st;
	int fd;

	host_need_root();
	plane = host_load();
	assert_done(sockets_sync(&plane, &cgroup_own, 1, &changed, &err));
	assert_int_equal(stat(cgroup_own.path, &st), 0);
	snprintf(path, sizeof(path), "%s/links/sock-xm_connect4-%llu", plane.dir,
		 (unsigned long long)st.st_ino);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	assert_int_equal(info.cgroup.attach_type, BPF_CGROUP_INET4_CONNECT);
	assert_int_equal(bpf_link_detach(fd), 0);
	close(fd);
	assert_int_equal(cgroup_count(cgroup_own.path, BPF_CGROUP_INET4_CONNECT), 0);
	assert_done(sockets_sync(&plane, &cgroup_own, 1, &changed, &err));
	assert_int_equal(changed, 1);
	assert_int_equal(cgroup_count(cgroup_own.path, BPF_CGROUP_INET4_CONNECT), 1);
	host_clean(&plane);
}

/* The kernel takes a link off when the last of its pins and descriptors is gone, after RCU. */
static int is_off(const char *path)
{
	const struct timespec pause = { .tv_nsec = 2000000 };
	time_t end = time(NULL) + 5;

	while (cgroup_count(path, BPF_CGROUP_INET4_CONNECT) && time(NULL) < end)
		nanosleep(&pause, NULL);
	return !cgroup_count(path, BPF_CGROUP_INET4_CONNECT);
}

static void detach_all_takes_socket_programs_off_and_a_purge_goes_through(void **state)
{
	struct attach_hook *list;
	struct plane plane;
	size_t n;

	host_need_root();
	plane = host_load();
	assert_done(sockets_sync(&plane, &cgroup_own, 1, &changed, &err));
	/* They are no hooks of interfaces. */
	assert_done(attach_list(&plane, &list, &n, &err));
	assert_int_equal(n, 0);
	free(list);
	plane_close(&plane);
	assert_int_equal(plane_purge(host_bpffs, "unit", &err), -EBUSY);
	assert_done(attach_remove_all(host_bpffs, "unit", &err));
	assert_true(is_off(cgroup_own.path));
	assert_done(plane_purge(host_bpffs, "unit", &err));
}

static void a_kernel_without_the_hooks_is_told_of_once_they_are_wanted(void **state)
{
	struct plane plane;
	int fd;

	host_need_root();
	plane = host_load();
	fd = plane.prog_fd[PLANE_GETPEER6];
	plane.prog_fd[PLANE_GETPEER6] = -1;
	assert_int_equal(sockets_sync(&plane, &cgroup_own, 1, &changed, &err), -ENOTSUP);
	assert_non_null(strstr(err.text, "cgroup/getpeername6"));
	assert_int_equal(cgroup_count(cgroup_own.path, BPF_CGROUP_INET4_CONNECT), 0);
	assert_done(sockets_sync(&plane, NULL, 0, &changed, &err));
	plane.prog_fd[PLANE_GETPEER6] = fd;
	host_clean(&plane);
}

static void without_sockops_the_others_are_attached(void **state)
{
	struct plane plane;
	int fd;

	host_need_root();
	plane = host_load();
	fd = plane.prog_fd[PLANE_SOCKOPS];
	plane.prog_fd[PLANE_SOCKOPS] = -1;
	assert_done(sockets_sync(&plane, &cgroup_own, 1, &changed, &err));
	assert_int_equal(changed, N_HOOKS - 1);
	assert_int_equal(cgroup_count(cgroup_own.path, BPF_CGROUP_SOCK_OPS), 0);
	plane.prog_fd[PLANE_SOCKOPS] = fd;
	assert_done(sockets_sync(&plane, NULL, 0, &changed, &err));
	host_clean(&plane);
}

static void a_cgroup_that_is_gone_is_named(void **state)
{
	struct sockets_place gone = { "/nowhere" };
	struct plane plane;

	host_need_root();
	plane = host_load();
	assert_int_equal(sockets_sync(&plane, &gone, 1, &changed, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nowhere"));
	assert_int_equal(sockets_sync(&plane, places, SOCKETS_MAX_CGROUPS + 1, &changed, &err),
			 -E2BIG);
	host_clean(&plane);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_pods_cgroup_comes_first_and_then_the_root),
		cmocka_unit_test(without_cgroup2_it_says_what_to_do),
		cmocka_unit_test(a_given_folder_is_taken_alone_or_refused_with_a_sentence),
		cmocka_unit_test(programs_are_attached_once_and_replaced_in_place),
		cmocka_unit_test(programs_of_others_stay),
		cmocka_unit_test(another_cgroup_gets_them_and_the_first_loses_them),
		cmocka_unit_test(a_link_that_somebody_detached_is_made_again),
		cmocka_unit_test(detach_all_takes_socket_programs_off_and_a_purge_goes_through),
		cmocka_unit_test(a_kernel_without_the_hooks_is_told_of_once_they_are_wanted),
		cmocka_unit_test(without_sockops_the_others_are_attached),
		cmocka_unit_test(a_cgroup_that_is_gone_is_named),
	};

	return cmocka_run_group_tests_name("sockets", tests, cgroup_setup, cgroup_teardown);
}
