/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Prefix lengths in their slots: kept, freed, taken last, to the last one. */
#include "unit/model/scene.h"

static void lengths_are_probed_by_their_masks(void **state)
{
	struct wanted *w = built(&(struct scene){ 0 });
	const struct xm_plen *v4 = &w->config.plen[0][0], *v6 = &w->config.plen[1][0];
	static const __u8 mask24[16] = { 255, 255, 255, 255, 255, 255, 255, 255,
					 255, 255, 255, 255, 255, 255, 255, 0 };
	static const __u8 mask64[16] = { 255, 255, 255, 255, 255, 255, 255, 255 };

	assert_int_equal(w->config.n_plen[0], 1);
	assert_int_equal(w->config.n_plen[1], 1);
	assert_int_equal(v4->plen, 120);
	assert_int_equal(v4->used, 1);
	assert_memory_equal(v4->mask, mask24, 16);
	assert_int_equal(v6->plen, 64);
	assert_memory_equal(v6->mask, mask64, 16);
	wanted_free(w);
}

static void a_length_in_use_keeps_its_slot(void **state)
{
	static const struct node_row nodes[] = {
		{ "west-1", "192.0.2.11", NULL, { "10.2.1.0/25", "10.2.2.0/26" }, NULL },
		{ NULL },
	};
	struct xm_plen plens[2][XM_MAX_PLENS] = {
		{ { .plen = 112, .used = 1 }, { .plen = 120, .used = 1 }, { .used = 0 },
		  { .plen = 122, .used = 1 }, { .plen = 120, .used = 1 },
		  { .plen = 4000, .used = 1 } },
	};
	struct wanted *w = built(&(struct scene){ .west = nodes, .plens = plens });
	const struct xm_plen *v4 = w->config.plen[0];
	static const struct xm_plen none;

	/* /16 is not needed any more, but its slot is not the one that /25 moves into. */
	assert_memory_equal(&v4[0], &none, sizeof(none));
	assert_int_equal(v4[1].plen, 120);
	assert_int_equal(v4[2].plen, 121);
	assert_int_equal(v4[3].plen, 122);
	/* Twice the same, and nonsense: pinned state is input. */
	assert_memory_equal(&v4[4], &none, sizeof(none));
	assert_memory_equal(&v4[5], &none, sizeof(none));
	assert_int_equal(w->config.n_plen[0], 4);
	assert_memory_equal(v4[3].mask, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xc0",
			    16);
	wanted_free(w);
}

static void a_slot_given_up_is_taken_when_no_other_is_left(void **state)
{
	struct xm_plen plens[2][XM_MAX_PLENS] = { { { .used = 0 } } };
	struct wanted *w;

	/* All slots taken, by lengths of which none is needed. */
	for (size_t i = 0; i < XM_MAX_PLENS; i++)
		plens[0][i] = (struct xm_plen){ .plen = 97 + (uint32_t)i, .used = 1 };
	w = built(&(struct scene){ .plens = plens });
	assert_int_equal(w->config.plen[0][0].plen, 120);
	assert_int_equal(w->config.n_plen[0], 1);
	wanted_free(w);
}

static void sixteen_lengths_fit_and_a_seventeenth_is_refused(void **state)
{
	struct wanted_route routes[XM_MAX_PLENS + 1] = { { .prefix = { .plen = 0 } } };
	const struct facts facts = { .node_name = "x" };
	struct xm_config config = { .magic = 0 };
	struct err err;

	for (size_t i = 0; i <= XM_MAX_PLENS; i++) {
		routes[i].prefix = prefix("10.0.0.0/8");
		routes[i].prefix.plen += (uint32_t)i;
	}
	assert_int_equal(wanted_plens(routes, XM_MAX_PLENS, &facts, &config, &err), 0);
	assert_int_equal(config.n_plen[0], XM_MAX_PLENS);
	assert_int_equal(config.n_plen[1], 0);
	memset(&config, 0, sizeof(config));
	assert_int_equal(wanted_plens(routes, XM_MAX_PLENS + 1, &facts, &config, &err), -ENOSPC);
	assert_string_equal(err.text, "more than 16 different prefix lengths of IPv4 in the mesh");
}

int main(void)
{
	static struct rows rows;

	ROWS_ADD_TEST(&rows, lengths_are_probed_by_their_masks);
	ROWS_ADD_TEST(&rows, a_length_in_use_keeps_its_slot);
	ROWS_ADD_TEST(&rows, a_slot_given_up_is_taken_when_no_other_is_left);
	ROWS_ADD_TEST(&rows, sixteen_lengths_fit_and_a_seventeenth_is_refused);
	return rows_run("wanted_plens", &rows);
}
