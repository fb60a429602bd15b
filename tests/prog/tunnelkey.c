/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Assembled by hand, for it is twenty instructions. bpf_skb_set_tunnel_key() writes a key for
 * sending, in which "local" is the source address, and bpf_skb_get_tunnel_key() returns that
 * source as "remote": so local = the peer.
 */
#include "tunnelkey.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/defs.h"
#include "fix.h"

/* What the map holds; struct bpf_tunnel_key as of 6.0 (local_* were added then), and flags. */
struct value {
	struct {
		uint32_t tunnel_id;
		uint32_t remote[4];
		uint8_t tos, ttl;
		uint16_t ext;
		uint32_t label;
		uint32_t local[4];
	} key;
	uint32_t flags;
};

#define INSN(c, d, s, o, i)                                                                        \
	((struct bpf_insn){ .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) })
#define MOV(d, s) INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define MOVI(d, i) INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define ADDI(d, i) INSN(BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, i)
#define MAPFD(d, fd)                                                                               \
	INSN(BPF_LD | BPF_DW | BPF_IMM, d, BPF_PSEUDO_MAP_FD, 0, fd), INSN(0, 0, 0, 0, 0)
#define CALL(f) INSN(BPF_JMP | BPF_CALL, 0, 0, 0, f)
#define EXIT INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

int tunnelkey_load(int target_prog, struct tunnelkey *ret_tk)
{
	auto_close int map =
		bpf_map_create(BPF_MAP_TYPE_ARRAY, "key", 4, sizeof(struct value), 1, NULL);
	auto_close int calls = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "calls", 4, 4, 1, NULL);
	uint32_t zero = 0;

	if (map < 0 || calls < 0 || bpf_map_update_elem(calls, &zero, &target_prog, BPF_ANY))
		return -errno;

	struct bpf_insn insns[] = {
		MOV(6, 1),
		INSN(BPF_ST | BPF_W | BPF_MEM, 10, 0, -4, 0),
		MAPFD(1, map),
		MOV(2, 10),
		ADDI(2, -4),
		CALL(BPF_FUNC_map_lookup_elem),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 9, 0), /* to "shot" */
		MOV(1, 6),
		MOV(2, 0),
		MOVI(3, sizeof(((struct value *)0)->key)),
		INSN(BPF_LDX | BPF_W | BPF_MEM, 4, 0, offsetof(struct value, flags), 0),
		CALL(BPF_FUNC_skb_set_tunnel_key),
		MOV(1, 6),
		MAPFD(2, calls),
		MOVI(3, 0),
		CALL(BPF_FUNC_tail_call),
		MOVI(0, 99), /* "shot": no verdict of any program */
		EXIT,
	};
	char log[8192] = "";
	DECLARE_LIBBPF_OPTS(bpf_prog_load_opts, opts, .log_buf = log, .log_size = sizeof(log));
	int prog = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "tunnelkey", "GPL", insns,
				 ARRAY_SIZE(insns), &opts);

	if (prog < 0) {
		int err = -errno;

		fprintf(stderr, "%s", log);
		return err;
	}
	*ret_tk = (struct tunnelkey){ prog, take_fd(map), take_fd(calls) };
	return 0;
}

void tunnelkey_close(struct tunnelkey *tk)
{
	close(tk->prog);
	close(tk->map);
	close(tk->calls);
}

void tunnelkey_set(const struct tunnelkey *tk, const char *text, uint32_t vni)
{
	struct xm_addr src = fix_addr(text);
	struct value value = { .key = { .tunnel_id = vni, .ttl = 64 } };
	uint32_t zero = 0;

	if (xm_addr_is_v4(&src)) {
		value.key.local[0] = ntohl(src.w[3]);
		value.key.remote[0] = 0xc0000201;
	} else {
		value.flags = BPF_F_TUNINFO_IPV6;
		memcpy(value.key.local, &src, 16);
		inet_pton(AF_INET6, "2001:db8::1", value.key.remote);
	}
	if (bpf_map_update_elem(tk->map, &zero, &value, BPF_ANY))
		fprintf(stderr, "tunnelkey: %s\n", strerror(errno));
}
