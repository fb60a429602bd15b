/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Features of the running kernel, each found by loading the smallest program that needs it and,
 * where only a flag matters, by running it once. Versions say little: stable kernels carry
 * backports. Nothing stays behind: programs and maps go with their descriptors.
 */
#include <errno.h>
#include <string.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/bpf.h>

#include "core/defs.h"
#include "plane/bpflog.h"
#include "plane/features.h"
#include "plane/uapi.h"

#define INSN(c, d, s, o, i)                                                                        \
	((struct bpf_insn){ .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) })
#define SET(reg, value) INSN(BPF_ALU64 | BPF_MOV | BPF_K, reg, 0, 0, value)
#define SET64(reg, value)                                                                          \
	INSN(BPF_LD | BPF_DW | BPF_IMM, reg, 0, 0, (__s32)(__u32)(value)),                         \
		INSN(0, 0, 0, 0, (__s32)(__u32)((__u64)(value) >> 32))
#define COPY(dst, src) INSN(BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0)
#define CALL(func) INSN(BPF_JMP | BPF_CALL, 0, 0, 0, func)
#define EXIT INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

/* A descriptor, or -1. */
static int load(const struct bpf_insn *insns, size_t n)
{
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "xm_probe", "GPL", insns, n, NULL);

	return fd < 0 ? -1 : fd;
}

static bool loads(const struct bpf_insn *insns, size_t n)
{
	auto_close int fd = load(insns, n);

	return fd >= 0;
}

/* As a program of a cgroup, for sockets. */
static bool loads_at_sockets(enum bpf_attach_type at, const struct bpf_insn *insns, size_t n)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = at);
	auto_close int fd = bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "xm_probe", "GPL", insns,
					  n, &opts);

	return fd >= 0;
}

/* Load and run over one IPv4 packet: true when the program returned 0. */
static bool runs(const struct bpf_insn *insns, size_t n)
{
	struct {
		struct ethhdr eth;
		struct iphdr ip;
		unsigned char payload[100];
	} __attribute__((packed)) in = {
		.eth = { .h_proto = htons(ETH_P_IP) },
		.ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = 17,
			.tot_len = htons(sizeof(in) - sizeof(struct ethhdr)) },
	};
	unsigned char out[sizeof(in) + 128];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = &in, .data_size_in = sizeof(in),
		    .data_out = out, .data_size_out = sizeof(out), .repeat = 1);
	auto_close int fd = load(insns, n);

	if (fd < 0 || bpf_prog_test_run_opts(fd, &opts))
		return false;
	return opts.retval == 0;
}

static bool adjust_room_takes(__s32 diff, __u64 flags)
{
	const struct bpf_insn insns[] = {
		SET(BPF_REG_2, diff),
		SET(BPF_REG_3, BPF_ADJ_ROOM_MAC),
		SET64(BPF_REG_4, flags),
		CALL(BPF_FUNC_skb_adjust_room),
		EXIT,
	};

	return runs(insns, ARRAY_SIZE(insns));
}

static bool has_redirect(void)
{
	const struct bpf_insn insns[] = {
		SET(BPF_REG_1, 1), SET(BPF_REG_2, 0),
		CALL(BPF_FUNC_redirect_peer),
		SET(BPF_REG_1, 1), SET(BPF_REG_2, 0), SET(BPF_REG_3, 0), SET(BPF_REG_4, 0),
		CALL(BPF_FUNC_redirect_neigh),
		EXIT,
	};

	return loads(insns, ARRAY_SIZE(insns));
}

static bool has_check_mtu(void)
{
	const struct bpf_insn insns[] = {
		INSN(BPF_ST | BPF_MEM | BPF_DW, BPF_REG_10, 0, -8, 0),
		SET(BPF_REG_2, 1),
		COPY(BPF_REG_3, BPF_REG_10),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_3, 0, 0, -8),
		SET(BPF_REG_4, 0), SET(BPF_REG_5, 0),
		CALL(BPF_FUNC_check_mtu),
		SET(BPF_REG_0, 0),
		EXIT,
	};

	return loads(insns, ARRAY_SIZE(insns));
}

static bool has_coarse_clock(void)
{
	const struct bpf_insn insns[] = {
		CALL(BPF_FUNC_ktime_get_coarse_ns),
		SET(BPF_REG_0, 0),
		EXIT,
	};

	return loads(insns, ARRAY_SIZE(insns));
}

/* All of the hooks: with some of them, a socket would see backends where it asked for a VIP. */
static bool has_sockets(void)
{
	static const enum bpf_attach_type hooks[] = {
		BPF_CGROUP_INET4_CONNECT,     BPF_CGROUP_INET6_CONNECT,
		BPF_CGROUP_UDP4_SENDMSG,      BPF_CGROUP_UDP6_SENDMSG,
		BPF_CGROUP_UDP4_RECVMSG,      BPF_CGROUP_UDP6_RECVMSG,
		BPF_CGROUP_INET4_GETPEERNAME, BPF_CGROUP_INET6_GETPEERNAME,
	};
	const struct bpf_insn insns[] = { SET(BPF_REG_0, 1), EXIT };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(hooks); i++)
		if (!loads_at_sockets(hooks[i], insns, ARRAY_SIZE(insns)))
			return false;
	return true;
}

/* At both kinds of hooks that refuse. */
static bool has_set_retval(void)
{
	const struct bpf_insn insns[] = {
		CALL(BPF_FUNC_get_retval),
		SET(BPF_REG_1, -ECONNREFUSED),
		CALL(BPF_FUNC_set_retval),
		SET(BPF_REG_0, 0),
		EXIT,
	};

	return loads_at_sockets(BPF_CGROUP_INET4_CONNECT, insns, ARRAY_SIZE(insns)) &&
	       loads_at_sockets(BPF_CGROUP_UDP4_SENDMSG, insns, ARRAY_SIZE(insns));
}

static bool has_netns_cookie(void)
{
	/* The context is in R1 from the start. */
	const struct bpf_insn insns[] = {
		CALL(BPF_FUNC_get_netns_cookie),
		SET(BPF_REG_0, 1),
		EXIT,
	};

	return loads_at_sockets(BPF_CGROUP_INET4_CONNECT, insns, ARRAY_SIZE(insns));
}

/* The storage at sockets comes with it (5.2), their callbacks for round trips too (5.3). */
static bool has_sockops(void)
{
	const struct bpf_insn insns[] = { SET(BPF_REG_0, 1), EXIT };
	auto_close int fd = bpf_prog_load(BPF_PROG_TYPE_SOCK_OPS, "xm_probe", "GPL", insns,
					  ARRAY_SIZE(insns), NULL);

	return fd >= 0;
}

static bool has_ringbuf(void)
{
	auto_close int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "xm_probe", 0, 0, 4096, NULL);

	return fd >= 0;
}

bool features_has_tcx(void)
{
	/* The loopback device, which every namespace has; -EINVAL: no such attach type. */
	struct uapi_prog_query query = {
		.target_ifindex = 1,
		.attach_type = UAPI_BPF_TCX_INGRESS,
	};

	return !uapi_bpf(BPF_PROG_QUERY, &query, sizeof(query)) || errno == ENOENT;
}

void features_probe(struct features *ret_features)
{
	const struct bpf_insn nothing[] = { SET(BPF_REG_0, 0), EXIT };
	struct features found = { 0 };

	bpflog_begin();
	found.btf = !access("/sys/kernel/btf/vmlinux", R_OK);
	found.bpf = loads(nothing, ARRAY_SIZE(nothing));
	if (found.bpf) {
		found.redirect_peer = has_redirect();
		found.ringbuf = has_ringbuf();
		found.encap_eth = adjust_room_takes(
			50, BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 |
				    BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_ENCAP_L2(14) |
				    UAPI_ADJ_ROOM_ENCAP_L2_ETH);
		found.decap_l3 = adjust_room_takes(
			-20, BPF_F_ADJ_ROOM_FIXED_GSO | UAPI_ADJ_ROOM_DECAP_L3_IPV6);
		found.check_mtu = has_check_mtu();
		found.tcx = features_has_tcx();
		found.coarse_clock = has_coarse_clock();
		found.sockets = has_sockets();
		found.set_retval = found.sockets && has_set_retval();
		found.netns_cookie = found.sockets && has_netns_cookie();
		found.sockops = found.sockets && has_sockops();
	}
	bpflog_begin();

	*ret_features = found;
}
