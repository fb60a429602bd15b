/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which services have weights by round trips: begun with pinned ones, then as services come and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/nearset.h"
#include "core/defs.h"

static void services_come_and_go(void **state)
{
	static const struct service a = { .space = "lab", .name = "a", .nearest = true };
	static const struct service b = { .space = "lab", .name = "b" };
	static const struct service c = { .space = "lab", .name = "c", .nearest = true };
	static const struct service z = { .space = "shop", .name = "a", .nearest = true };
	const struct service *first[] = { &b, &c, &z }, *then[] = { &a, &b, &c };
	struct nearset set = { 0 };

	assert_int_equal(nearset_follow(&set, first, 3), 0);
	assert_int_equal(set.n, 2);
	assert_string_equal(set.list[0].name, "c");
	assert_string_equal(set.list[1].space, "shop");
	assert_int_equal(nearest_seed(&set.items[0].nearest, 7, 30), 0);
	assert_int_equal(nearest_seed(&set.items[1].nearest, 7, 40), 0);
	assert_int_equal(nearset_follow(&set, then, 3), 0);
	/* What c had it still has. */
	assert_int_equal(set.n, 2);
	assert_string_equal(set.list[0].name, "a");
	assert_int_equal(set.list[0].nearest->n, 0);
	assert_string_equal(set.list[1].name, "c");
	assert_int_equal(nearest_weight(set.list[1].nearest, 7), 30);
	assert_int_equal(nearset_follow(&set, NULL, 0), 0);
	assert_int_equal(set.n, 0);
	nearset_done(&set);
}

static void pinned_weights_are_taken_over(void **state)
{
	struct xm_cluster west = { .name = "west" }, north = { .name = "north" };
	struct service_backend_entry backends[] = { { 1, { .cluster = 2 } }, { 2, { .cluster = 3 } },
						    { 3, { .cluster = 4 } } };
	struct service_entry entries[] = {
		{ .name = { .space = "lab", .name = "a", .weights = "east=1" } },
		{ .name = { .space = "lab", .name = "b",
			    .weights = "nearest: west=90,gone=5,north=5" },
		  .backends = backends, .n_backends = 3 },
		{ .name = { .space = "lab", .name = "c", .weights = "nearest: what is this" } },
	};
	struct service_tables tables = { .services = entries, .n_services = 3 };
	struct plane plane = { 0 };
	struct nearset set = { 0 };
	uint16_t id = 2;
	int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "t", sizeof(id), sizeof(west), 8, NULL);

	if (fd < 0)
		skip();
	plane.map_fd[PLANE_xm_clusters] = fd;
	assert_int_equal(bpf_map_update_elem(fd, &id, &west, 0), 0);
	id = 3;
	assert_int_equal(bpf_map_update_elem(fd, &id, &north, 0), 0);
	assert_int_equal(nearset_seed(&set, &plane, &tables), 0);
	assert_int_equal(set.n, 2);
	assert_string_equal(set.list[0].name, "b");
	assert_int_equal(set.list[0].nearest->n, 2);
	assert_int_equal(nearest_weight(set.list[0].nearest, 2), 90);
	assert_int_equal(nearest_weight(set.list[0].nearest, 3), 5);
	assert_int_equal(set.list[1].nearest->n, 0);
	nearset_done(&set);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{ "services come and go, and keep their weights meanwhile", services_come_and_go, NULL, NULL, NULL },
		{ "pinned weights are taken over by the names of clusters", pinned_weights_are_taken_over, NULL, NULL, NULL },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
