/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Slices of xm_maglev through windows of their own: the whole array's 64 MB would count as the agent's
 * memory as long as they are mapped, and take 2 ms to map. Not for: which slice holds what
 * (balance_service.c).
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "plane/balance_parts.h"

struct window {
	char *base;
	size_t size;
	uint32_t *slots; /* the first of the slice */
};

/* @where is that of an xm_service, and not empty. */
static int window_open(int fd, uint64_t where, int prot, struct window *ret_window)
{
	size_t at = (where >> 32) * sizeof(uint32_t), before = at % (size_t)sysconf(_SC_PAGESIZE);
	size_t size = before + (uint32_t)where * sizeof(uint32_t);
	char *base = mmap(NULL, size, prot, MAP_SHARED, fd, (off_t)(at - before));

	if (base == MAP_FAILED)
		return -errno;
	*ret_window = (struct window){ .base = base, .size = size, .slots = (void *)(base + before) };
	return 0;
}

static int open_of_plane(const struct plane *plane, uint64_t where, int prot, struct window *ret_window,
			 struct err *err)
{
	const uint32_t first = (uint32_t)(where >> 32), size = (uint32_t)where;
	const int fd = plane->map_fd[PLANE_xm_maglev];
	int code;

	if (fd < 0)
		return err_set(err, -ENOENT, "%s/xm_maglev is not pinned", plane->dir);
	if (first > XM_MAGLEV_SLOTS || size > XM_MAGLEV_SLOTS - first)
		return err_set(err, -EINVAL, "a slice of %u slots from %u on is none of xm_maglev", size,
			       first);
	code = window_open(fd, where, prot, ret_window);
	return code ? err_set(err, code, "cannot map a slice of %s/xm_maglev: %s", plane->dir,
			      strerror(-code)) :
		      0;
}

bool balance_slice_is(int maglev_fd, uint64_t where, const uint32_t *slots)
{
	struct window window;
	bool same;

	if (window_open(maglev_fd, where, PROT_READ, &window))
		return false;
	same = !memcmp(window.slots, slots, (uint32_t)where * sizeof(*slots));
	munmap(window.base, window.size);
	return same;
}

int balance_write_slice(const struct plane *plane, uint64_t where, const uint32_t *slots, struct err *err)
{
	size_t size = (uint32_t)where * sizeof(*slots);
	struct window window;
	int code = open_of_plane(plane, where, PROT_READ | PROT_WRITE, &window, err);

	if (code)
		return code;
	if (slots)
		memcpy(window.slots, slots, size);
	else
		memset(window.slots, 0, size);
	munmap(window.base, window.size);
	return 0;
}

int balance_slots(const struct plane *plane, uint32_t first, uint32_t n, uint32_t *ret_numbers,
		  struct err *err)
{
	struct window window;
	int code = open_of_plane(plane, (uint64_t)first << 32 | n, PROT_READ, &window, err);

	if (code)
		return code;
	memcpy(ret_numbers, window.slots, n * sizeof(*ret_numbers));
	munmap(window.base, window.size);
	return 0;
}

int balance_share(const struct plane *plane, const struct xm_service *service, uint32_t number,
		  uint32_t *ret_slots, uint32_t *ret_size, struct err *err)
{
	uint32_t size = (uint32_t)service->where, slots = 0;
	struct window window;
	int code;

	/* A service without usable backends has no slice. */
	if (size) {
		code = open_of_plane(plane, service->where, PROT_READ, &window, err);
		if (code)
			return code;
		for (uint32_t i = 0; i < size; i++)
			slots += window.slots[i] == number;
		munmap(window.base, window.size);
	}

	*ret_slots = slots;
	*ret_size = size;
	return 0;
}
