/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Probes: what this kernel must have is found, what no kernel has is not. */
#include "unit/plane/host.h"

/* The unit itself, for its static functions; the archive's copy is not linked then. */
#include "../../../user/plane/features.c"

static void what_every_supported_kernel_has_is_found(void **state)
{
	struct features found;

	host_need_root();
	features_probe(&found);
	assert_true(found.bpf);
	assert_true(found.redirect_peer);
	assert_true(found.ringbuf);
}

static void a_socket_hook_takes_what_it_may_call_and_nothing_else(void **state)
{
	const struct bpf_insn redirect[] = {
		SET(BPF_REG_1, 1), SET(BPF_REG_2, 0),
		CALL(BPF_FUNC_redirect_peer),
		SET(BPF_REG_0, 1),
		EXIT,
	};
	const struct bpf_insn refuses[] = { SET(BPF_REG_0, 0), EXIT };
	struct features found;

	host_need_root();
	features_probe(&found);
	assert_false(loads_at_sockets(BPF_CGROUP_INET4_CONNECT, redirect, ARRAY_SIZE(redirect)));
	assert_true(loads_at_sockets(BPF_CGROUP_INET4_CONNECT, refuses, ARRAY_SIZE(refuses)));
	/* recvmsg may not refuse, and no kernel has every hook that can be numbered. */
	assert_false(loads_at_sockets(BPF_CGROUP_UDP4_RECVMSG, refuses, ARRAY_SIZE(refuses)));
	assert_false(loads_at_sockets((enum bpf_attach_type)10000, refuses, ARRAY_SIZE(refuses)));
	/* 5.10 has the hooks and the cookie; what this one has besides must agree with itself. */
	assert_true(found.sockets);
	assert_true(found.netns_cookie);
	assert_true(found.set_retval <= found.sockets);
}

static void a_flag_that_no_kernel_has_is_refused(void **state)
{
	host_need_root();
	assert_true(adjust_room_takes(-20, BPF_F_ADJ_ROOM_FIXED_GSO));
	assert_false(adjust_room_takes(-20, BPF_F_ADJ_ROOM_FIXED_GSO | (1ull << 40)));
}

static void a_program_that_returns_an_error_does_not_count_as_run(void **state)
{
	const struct bpf_insn insns[] = { SET(BPF_REG_0, -22), EXIT };

	host_need_root();
	assert_true(loads(insns, ARRAY_SIZE(insns)));
	assert_false(runs(insns, ARRAY_SIZE(insns)));
}

static void without_privileges_nothing_is_found(void **state)
{
	struct features found;

	host_need_root();
	assert_int_equal(seteuid(65534), 0);
	features_probe(&found);
	assert_int_equal(seteuid(0), 0);
	assert_false(found.bpf);
	assert_false(found.sockets);
	assert_false(found.tcx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_every_supported_kernel_has_is_found),
		cmocka_unit_test(a_socket_hook_takes_what_it_may_call_and_nothing_else),
		cmocka_unit_test(a_flag_that_no_kernel_has_is_refused),
		cmocka_unit_test(a_program_that_returns_an_error_does_not_count_as_run),
		cmocka_unit_test(without_privileges_nothing_is_found),
	};

	return cmocka_run_group_tests_name("features", tests, host_setup, host_teardown);
}
