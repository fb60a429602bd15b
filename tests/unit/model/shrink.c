/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How much of a cluster may go at once, at the edges of the rule; and what counts as a backend. */
#include "unit/core/rows.h"

#include <stdio.h>
#include <string.h>

#include "core/addr.h"
#include "core/defs.h"
#include "model/shrink.h"

struct row {
	const char *name;
	struct shrink_size before, after;
	unsigned int percent;
	bool too_much;
};

static const struct row rows[] = {
	{ "nothing changes", { 100, 100 }, { 100, 100 }, 50, false },
	{ "it grows", { 100, 100 }, { 500, 500 }, 50, false },
	{ "exactly half of the prefixes", { 20, 0 }, { 10, 0 }, 50, false },
	{ "one prefix more than half", { 20, 0 }, { 9, 0 }, 50, true },
	{ "exactly half of the backends", { 0, 100 }, { 0, 50 }, 50, false },
	{ "one backend more than half", { 0, 100 }, { 0, 49 }, 50, true },
	{ "half of an odd number is rounded down", { 0, 21 }, { 0, 11 }, 50, false },
	{ "all of 19", { 19, 19 }, { 0, 0 }, 50, false },
	{ "all of 20", { 20, 0 }, { 0, 0 }, 50, true },
	{ "19 prefixes hold nothing back, 20 backends do", { 19, 20 }, { 0, 0 }, 50, true },
	{ "more prefixes do not make up for lost backends", { 20, 20 }, { 90, 2 }, 50, true },
	{ "0 %: not one may go", { 20, 0 }, { 19, 0 }, 0, true },
	{ "0 %: but one of 19", { 19, 0 }, { 18, 0 }, 0, false },
	{ "100 %: all may go", { 1000, 1000 }, { 0, 0 }, 100, false },
	{ "something where nothing was", { 0, 0 }, { 5, 5 }, 0, false },
};

static void rule(void **state)
{
	const struct row *row = *state;

	assert_int_equal(shrink_is_too_much(&row->before, &row->after, row->percent), row->too_much);
}

/* Services by hand: each slice has the addresses of its text, "1 2 3". */
struct part { const char *service, *addrs; bool v6; };

static struct snapshot *make(const struct part *parts, size_t n)
{
	struct snapshot *s = calloc(1, sizeof(*s));
	char text[64];

	s->services = calloc(n + 1, sizeof(*s->services));
	s->slices = calloc(n + 1, sizeof(*s->slices));
	for (size_t i = 0; i < n; i++) {
		struct slice_object *slice = &s->slices[s->n_slices++];
		struct service_object *last = s->n_services ? &s->services[s->n_services - 1] : NULL;

		strcpy(slice->service, parts[i].service);
		if (!last || strcmp(last->name, parts[i].service)) {
			last = &s->services[s->n_services++];
			strcpy(last->name, parts[i].service);
			last->global = last->shared = true;
		}
		slice->endpoints = calloc(strlen(parts[i].addrs) + 1, sizeof(*slice->endpoints));
		for (const char *at = parts[i].addrs; *at; at++) {
			if (*at == ' ')
				continue;
			snprintf(text, sizeof(text), parts[i].v6 ? "fd00::%c" : "10.0.0.%c", *at);
			assert_int_equal(addr_parse(text, &slice->endpoints[slice->n_endpoints++].addr, NULL), 0);
		}
	}
	snapshot_finish(s);
	return s;
}

static void sizes(void **state)
{
	static const struct part parts[] = {
		{ "a", "1 2 3", false }, { "a", "1 2 3", true },       /* both families */
		{ "b", "1 2", false }, { "b", "2 3", false },          /* one for each port */
		{ "c", "1", false }, { "c", "", false },
	};
	struct snapshot *s = make(parts, ARRAY_SIZE(parts));
	struct shrink_size size;

	assert_int_equal(shrink_size(s, false, &size), 0);
	assert_int_equal(size.backends, 6 + 3 + 1);
	assert_int_equal(size.prefixes, 0);
	s->services[0].shared = false;
	assert_int_equal(shrink_size(s, false, &size), 0);
	assert_int_equal(size.backends, 3 + 1);
	/* Our own pods reach them all the same. */
	assert_int_equal(shrink_size(s, true, &size), 0);
	assert_int_equal(size.backends, 6 + 3 + 1);
	s->services[1].global = false;
	assert_int_equal(shrink_size(s, true, &size), 0);
	assert_int_equal(size.backends, 6 + 1);
	snapshot_free(s);
	assert_int_equal(shrink_size(NULL, false, &size), 0);
	assert_int_equal(size.backends + size.prefixes, 0);
}

int main(void)
{
	struct rows all = { 0 };

	ROWS_ADD_TABLE(&all, rule, rows);
	rows_add(&all, "a backend is an address of a service that is used from here, once a service", sizes, NULL);
	return rows_run("shrink", &all);
}
