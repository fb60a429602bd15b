/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A whole hash map in few system calls; what the bytes mean is the caller's. */
#ifndef XMESH_PLANE_MAPIO_H
#define XMESH_PLANE_MAPIO_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "plane/plane.h"

struct mapio {
	char *keys, *values; /* n of each, back to back, in no order */
	size_t n;
	uint32_t key_size, value_size;
};

/*
 * All entries of the hash @map; none when it is not there. While another process writes, an entry
 * may be missed or seen twice. -ENOMEM, errors of bpf(2). mapio_done() releases.
 */
int mapio_read(const struct plane *plane, enum plane_map map, struct mapio *ret_io,
	       struct err *err);
void mapio_done(struct mapio *io);

#endif
