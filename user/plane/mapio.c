/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading a hash map in batches (BPF_MAP_LOOKUP_BATCH, since 5.6). Not for: writing (apply.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "core/defs.h"
#include "plane/mapio.h"

#define FIRST_CAPACITY 1024

void mapio_done(struct mapio *io)
{
	free(io->keys);
	free(io->values);
	memset(io, 0, sizeof(*io));
}

static int grow(struct mapio *io, size_t capacity)
{
	char *p;

	p = realloc(io->keys, capacity * io->key_size);
	if (!p)
		return -ENOMEM;
	io->keys = p;
	p = realloc(io->values, capacity * io->value_size);
	if (!p)
		return -ENOMEM;
	io->values = p;
	return 0;
}

/* The cursor of a hash is the number of a bucket: 4 bytes, whatever the key is. */
static int read_all(int fd, struct mapio *io, size_t capacity)
{
	uint32_t cursor = 0, next = 0, count;
	bool first = true;
	int code;

	for (;;) {
		count = (uint32_t)(capacity - io->n);
		code = bpf_map_lookup_batch(fd, first ? NULL : &cursor, &next,
					    io->keys + io->n * io->key_size,
					    io->values + io->n * io->value_size, &count, NULL);
		/* -ENOSPC: a bucket does not fit into the room that is left. */
		if (code && code != -ENOENT && code != -ENOSPC)
			return code;
		io->n += count;
		if (code == -ENOENT)
			return 0;
		cursor = next;
		first = false;
		if (code == -ENOSPC || io->n == capacity) {
			capacity *= 2;
			code = grow(io, capacity);
			if (code)
				return code;
		}
	}
}

int mapio_read(const struct plane *plane, enum plane_map map, struct mapio *ret_io,
	       struct err *err)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	struct mapio io = { 0 };
	int code;

	if (plane->map_fd[map] < 0) {
		*ret_io = io;
		return 0;
	}
	if (bpf_obj_get_info_by_fd(plane->map_fd[map], &info, &len))
		return err_set(err, -errno, "%s/%s: %s", plane->dir, plane_map_names[map],
			       strerror(errno));
	io.key_size = info.key_size;
	io.value_size = info.value_size;
	code = grow(&io, FIRST_CAPACITY);
	if (!code)
		code = read_all(plane->map_fd[map], &io, FIRST_CAPACITY);
	if (code) {
		mapio_done(&io);
		return err_set(err, code, "cannot read %s/%s: %s", plane->dir,
			       plane_map_names[map], strerror(-code));
	}

	*ret_io = io;
	return 0;
}
