/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How much a snapshot takes away. */
#include "model/shrink.h"

#include <errno.h>
#include <string.h>

#include "core/defs.h"

static int order_addrs(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct xm_addr));
}

/*
 * One slice, or one of each family, names an address once. Others may repeat it: large services have
 * many slices, and one that was recovered from pinned state one for each port.
 */
static bool has_no_repeats(const struct slice_object *slices, size_t n)
{
	if (n < 2)
		return true;
	return n == 2 && slices[0].n_endpoints && slices[1].n_endpoints &&
	       !xm_addr_is_v4(&slices[0].endpoints[0].addr) != !xm_addr_is_v4(&slices[1].endpoints[0].addr);
}

static int count_backends(const struct slice_object *slices, size_t n, size_t *sum)
{
	auto_free struct xm_addr *addrs = NULL;
	size_t total = 0, at = 0;

	for (size_t i = 0; i < n; i++)
		total += slices[i].n_endpoints;
	if (has_no_repeats(slices, n)) {
		*sum += total;
		return 0;
	}
	addrs = calloc(total + 1, sizeof(*addrs));
	if (!addrs)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < slices[i].n_endpoints; k++)
			addrs[at++] = slices[i].endpoints[k].addr;
	qsort(addrs, total, sizeof(*addrs), order_addrs);
	for (size_t i = 0; i < total; i++)
		*sum += !i || order_addrs(&addrs[i - 1], &addrs[i]);
	return 0;
}

int shrink_size(const struct snapshot *snapshot, bool own, struct shrink_size *ret_size)
{
	struct shrink_size size = { 0 };

	for (size_t i = 0; snapshot && i < snapshot->n_nodes; i++)
		size.prefixes += snapshot->nodes[i].n_cidrs;
	for (size_t i = 0; snapshot && i < snapshot->n_services; i++) {
		const struct service_object *s = &snapshot->services[i];

		if (!s->global || (!own && !s->shared))
			continue;
		if (count_backends(snapshot->slices + s->first_slice, s->n_slices, &size.backends))
			return -ENOMEM;
	}
	*ret_size = size;
	return 0;
}

static bool loses_too_much(size_t before, size_t after, unsigned int max_percent)
{
	return before >= SHRINK_MIN && after < before && (before - after) * 100 > before * max_percent;
}

bool shrink_is_too_much(const struct shrink_size *before, const struct shrink_size *after,
			unsigned int max_percent)
{
	return loses_too_much(before->prefixes, after->prefixes, max_percent) ||
	       loses_too_much(before->backends, after->backends, max_percent);
}
