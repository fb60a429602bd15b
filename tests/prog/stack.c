/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How much stack the programs need where it is scarcest: kernels up to 6.7 round each frame of a
 * chain of calls up to 32 bytes and allow 512 in all. Reckoned from the instructions as libbpf loads
 * them, so that it is known here and not only in a guest. Not for: what they do with it.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/defs.h"
#include "row.h"
#include "xmesh.skel.h"

#define MAX_STACK 512
#define HEADROOM 64 /* for the next change, and for what another compiler spills */
#define MAX_FUNCS 128

struct func {
	size_t start, end; /* instructions */
	int frame;         /* bytes, not rounded */
	int deepest;       /* of the chain from here on, rounded; 0 = not reckoned yet */
	size_t next;       /* the one called there, 0 = none */
};

struct prog_stack {
	const struct bpf_insn *insns;
	size_t n_insns;
	struct func funcs[MAX_FUNCS];
	size_t n;
};

static bool is_call(const struct bpf_insn *insn)
{
	return insn->code == (BPF_JMP | BPF_CALL) && insn->src_reg == BPF_PSEUDO_CALL;
}

static bool is_func(const struct bpf_insn *insn)
{
	return insn->code == (BPF_LD | BPF_IMM | BPF_DW) && insn->src_reg == BPF_PSEUDO_FUNC;
}

static int by_start(const void *a, const void *b)
{
	const struct func *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static size_t func_at(const struct prog_stack *p, size_t insn)
{
	size_t i = p->n;

	while (i-- > 0)
		if (p->funcs[i].start == insn)
			return i;
	return 0;
}

static void find_funcs(struct prog_stack *p)
{
	p->n = 1;
	for (size_t i = 0; i < p->n_insns; i++) {
		size_t to = i + p->insns[i].imm + 1;

		if (!is_call(&p->insns[i]) && !is_func(&p->insns[i]))
			continue;
		if (func_at(p, to))
			continue;
		assert_true(p->n < MAX_FUNCS);
		p->funcs[p->n++].start = to;
	}
	qsort(p->funcs, p->n, sizeof(p->funcs[0]), by_start);
	for (size_t i = 0; i < p->n; i++)
		p->funcs[i].end = i + 1 < p->n ? p->funcs[i + 1].start : p->n_insns;
}

/* The lowest byte below the frame pointer that is named: directly, or by a pointer made from it. */
static int frame_of(const struct prog_stack *p, const struct func *f)
{
	int frame = 0;
	bool is_copy[16] = { false };

	for (size_t i = f->start; i < f->end; i++) {
		const struct bpf_insn *insn = &p->insns[i];
		uint8_t class = BPF_CLASS(insn->code);
		int below = 0;

		if (class == BPF_LDX && insn->src_reg == BPF_REG_10)
			below = -insn->off;
		else if ((class == BPF_STX || class == BPF_ST) && insn->dst_reg == BPF_REG_10)
			below = -insn->off;
		else if (insn->code == (BPF_ALU64 | BPF_ADD | BPF_K) && is_copy[insn->dst_reg])
			below = -insn->imm;
		if (below > frame)
			frame = below;
		if (class == BPF_ALU64 || class == BPF_ALU || class == BPF_LDX)
			is_copy[insn->dst_reg] = insn->code == (BPF_ALU64 | BPF_MOV | BPF_X) &&
						 insn->src_reg == BPF_REG_10;
	}
	return frame;
}

static int deepest_from(struct prog_stack *p, size_t i)
{
	struct func *f = &p->funcs[i];
	int below = 0;

	if (f->deepest)
		return f->deepest;
	f->frame = frame_of(p, f);
	for (size_t k = f->start; k < f->end; k++) {
		size_t to;
		int depth;

		if (!is_call(&p->insns[k]))
			continue;
		to = func_at(p, k + p->insns[k].imm + 1);
		depth = deepest_from(p, to);
		if (depth > below) {
			below = depth;
			f->next = to;
		}
	}
	f->deepest = below + ((f->frame > 1 ? f->frame : 1) + 31) / 32 * 32;
	return f->deepest;
}

/* The name of each function, by the order in which the kernel has them too. */
static void print_chain(const struct prog_stack *p, const struct bpf_program *prog,
			const struct btf *btf)
{
	struct bpf_func_info info[MAX_FUNCS];
	struct bpf_prog_info what = { .nr_func_info = MAX_FUNCS,
				      .func_info_rec_size = sizeof(info[0]),
				      .func_info = (uintptr_t)info };
	uint32_t len = sizeof(what);
	size_t i = 0;

	if (bpf_obj_get_info_by_fd(bpf_program__fd(prog), &what, &len))
		what.nr_func_info = 0;
	fprintf(stderr, "%s: %d bytes of stack:", bpf_program__name(prog), p->funcs[0].deepest);
	do {
		const struct btf_type *t = what.nr_func_info == p->n ?
						   btf__type_by_id(btf, info[i].type_id) : NULL;

		fprintf(stderr, " %s %d", t ? btf__name_by_offset(btf, t->name_off) : "?",
			p->funcs[i].frame);
		i = p->funcs[i].next;
	} while (i);
	fprintf(stderr, "\n");
}

static void test_stack(void **state)
{
	struct xmesh_bpf *skel = xmesh_bpf__open();
	struct bpf_program *prog;
	bool fits = true;

	assert_non_null(skel);
	bpf_map__set_max_entries(skel->maps.xm_maglev, 2);
	assert_int_equal(xmesh_bpf__load(skel), 0);
	bpf_object__for_each_program(prog, skel->obj) {
		struct prog_stack p = { .insns = bpf_program__insns(prog),
					.n_insns = bpf_program__insn_cnt(prog) };
		int depth;

		assert_true(p.n_insns > 0);
		find_funcs(&p);
		depth = deepest_from(&p, 0);
		if (getenv("STACK") || depth > MAX_STACK - HEADROOM)
			print_chain(&p, prog, bpf_object__btf(skel->obj));
		fits = fits && depth <= MAX_STACK - HEADROOM;
	}
	xmesh_bpf__destroy(skel);
	assert_true(fits);
}

const struct CMUnitTest stack_tests[] = {
	{ "every program leaves 64 bytes of the stack, as old kernels reckon it", test_stack, NULL,
	  NULL, NULL },
};
const size_t n_stack_tests = ARRAY_SIZE(stack_tests);
