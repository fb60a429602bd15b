/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a dry run says of services. */
#include "../core/rows.h"

#include <arpa/inet.h>

#include "agent/service_diff.h"

/* have, want: state of the one backend, FREE = no such service. */
static const struct row {
	const char *name;
	uint8_t have, want;
	const char *line; /* NULL = none */
} table[] = {
	{ "a new service is put", XM_BACKEND_FREE, XM_BACKEND_ACTIVE,
	  "put service shop/web: 0 frontends, 1 backends, 1 of them get new connections" },
	{ "what is there already is not told", XM_BACKEND_ACTIVE, XM_BACKEND_ACTIVE, NULL },
	{ "another state of a backend is a change", XM_BACKEND_ACTIVE, XM_BACKEND_DOWN,
	  "change service shop/web: 0 frontends, 1 backends, 0 of them get new connections" },
	{ "what is not wanted is deleted", XM_BACKEND_ACTIVE, XM_BACKEND_FREE, "delete service shop/web" },
	{ "what waits out its grace period is not deleted again", XM_BACKEND_GONE, XM_BACKEND_FREE, NULL },
};

static void diff(void **state)
{
	const struct row *row = *state;
	struct service_backend b = { .port = 80, .proto = IPPROTO_TCP, .state = row->want };
	struct service service = { .space = "shop", .name = "web", .backends = &b, .n_backends = 1 };
	const struct service *list[] = { &service };
	struct service_backend_entry be = { .backend = { .port = htons(80), .proto = IPPROTO_TCP,
							 .state = row->have } };
	struct service_entry entry = { .name = { .space = "shop", .name = "web" }, .backends = &be,
				       .n_backends = 1 };
	struct service_tables tables = { .services = &entry, .n_services = row->have != XM_BACKEND_FREE };
	struct notes lines = { 0 };

	assert_int_equal(service_diff(list, row->want != XM_BACKEND_FREE, &tables, &lines), row->line != NULL);
	assert_int_equal(lines.n, row->line != NULL);
	if (row->line)
		assert_string_equal(lines.v[0], row->line);
	notes_done(&lines);
}

int main(void)
{
	struct rows rows = { 0 };

	ROWS_ADD_TABLE(&rows, diff, table);
	return rows_run("service_diff", &rows);
}
