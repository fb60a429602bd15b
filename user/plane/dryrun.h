/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The programs once more, loaded for `xmesh explain` with xm_knobs.dry_run: run on a packet by
 * BPF_PROG_TEST_RUN they decide as the attached ones do, write down why (struct xm_trace), and
 * leave every map of the datapath as it is. Nothing is pinned, nothing is attached, nothing is sent.
 */
#ifndef XMESH_PLANE_DRYRUN_H
#define XMESH_PLANE_DRYRUN_H

#include <stddef.h>

#include "core/err.h"
#include "plane/plane.h"
#include "xmesh/latency.h"

enum dryrun_prog {
	DRYRUN_FROM_POD,
	DRYRUN_FROM_NET,
	DRYRUN_SOCKET,   /* what a socket would be given: by the packet that its connect() stands for */
	DRYRUN_PROG_COUNT,
};

enum dryrun_maps {
	DRYRUN_LIVE,     /* those of the plane; what only counts or remembers is private */
	DRYRUN_PRIVATE,  /* empty ones, to be filled by the caller: dryrun_plane() */
};

/* A frame on @ifindex. */
struct dryrun_frame {
	const void *data;
	size_t len;
	uint32_t ifindex;
	uint64_t netns; /* DRYRUN_SOCKET: cookie of the socket's namespace, 0 = not known: no affinity */
};

#define DRYRUN_OUT_MAX 8192

struct dryrun_result {
	struct xm_trace trace;
	int verdict;                  /* TC_ACT_* */
	uint8_t out[DRYRUN_OUT_MAX];  /* the frame as the program left it */
	size_t out_len;
};

struct dryrun;

/* For @progs below: the verifier takes a fifth of a second for a program. */
#define DRYRUN_ONLY(prog) (1u << (prog))
#define DRYRUN_ALL (DRYRUN_ONLY(DRYRUN_PROG_COUNT) - 1)

/*
 * Load @progs over @live, which plane_open() filled, with the settings that its programs were loaded with.
 * -EXDEV: those are of another build, so that what this one decides would prove nothing. -ENOENT:
 * no programs are pinned. Errors of bpf(2). @live is borrowed.
 */
int dryrun_new(const struct plane *live, enum dryrun_maps maps, uint32_t progs, struct dryrun **ret_dryrun,
	       struct err *err);
void dryrun_free(struct dryrun *dryrun);

/*
 * The maps that the programs decide by; private ones are written with apply.h and balance.h. Of
 * @dryrun, as long as it lives: not for plane_close().
 */
const struct plane *dryrun_plane(const struct dryrun *dryrun);

/*
 * Run @prog, which was loaded, on @frame in the caller's network namespace. -ENODEV: no such interface there. -E2BIG: the
 * kernel takes no frame of that size here (a page less its own room).
 */
int dryrun_run(struct dryrun *dryrun, enum dryrun_prog prog, const struct dryrun_frame *frame,
	       struct dryrun_result *ret_result, struct err *err);

#endif
