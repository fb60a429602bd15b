/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Health after a row of answers and losses. */
#include "../core/rows.h"

#include "model/liveness.h"

/* results: 'a' answered, '.' lost. healths: what holds after each, u p d for unknown, up, down. */
static const struct row {
	const char *name;
	enum node_health first;
	const char *results, *healths;
} table[] = {
	{ "a node that never answers stays unknown", NODE_UNKNOWN, ".......", "uuuuuuu" },
	{ "the first answer makes an unknown node up", NODE_UNKNOWN, "..a", "uup" },
	{ "three losses in a row make it down, two do not", NODE_UP, "..a...", "pppppd" },
	{ "an answer between losses starts the count anew", NODE_UP, "..a..a..a", "ppppppppp" },
	{ "three answers in a row bring it back", NODE_DOWN, "aa.aaa", "dddddp" },
	{ "what is down stays so however long nothing comes", NODE_DOWN, "......", "dddddd" },
	{ "counts do not run over", NODE_UP, "aaaaaaaaaa...", "ppppppppppppd" },
	{ "after coming back three losses are needed again", NODE_DOWN, "aaa..a...", "ddpppppp" "d" },
};

static enum node_health health_of(char c)
{
	return c == 'u' ? NODE_UNKNOWN : c == 'p' ? NODE_UP : NODE_DOWN;
}

static void sequence(void **state)
{
	const struct row *row = *state;
	struct liveness l = { .health = row->first };

	assert_int_equal(strlen(row->results), strlen(row->healths));
	for (size_t i = 0; row->results[i]; i++) {
		enum node_health before = l.health;
		bool changed = liveness_result(&l, row->results[i] == 'a');

		assert_int_equal(l.health, health_of(row->healths[i]));
		assert_int_equal(changed, l.health != before);
	}
}

int main(void)
{
	struct rows rows = { 0 };

	ROWS_ADD_TABLE(&rows, sequence, table);
	return rows_run("liveness", &rows);
}
