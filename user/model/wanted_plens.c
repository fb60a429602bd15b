/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The prefix lengths that the programs probe, in slots that never move while in use (the reason
 * stands at struct xm_plen). Not for: the routes themselves.
 */
#include <errno.h>
#include <string.h>

#include "core/addr.h"
#include "model/wanted_parts.h"

static void fill_slot(struct xm_plen *slot, uint32_t plen)
{
	__u8 mask[16] = { 0 };

	memset(mask, 0xff, plen / 8);
	if (plen % 8)
		mask[plen / 8] = (__u8)(0xff << (8 - plen % 8));
	memcpy(slot->mask, mask, sizeof(mask));
	slot->plen = plen;
	slot->used = 1;
}

/*
 * A slot for @plen: one that was free before, so that no slot changes from one length to another
 * under a program's eyes; only if there is none, one that is given up now.
 */
static struct xm_plen *find_slot(struct xm_plen slots[XM_MAX_PLENS], const struct xm_plen *before)
{
	struct xm_plen *given_up = NULL;

	for (size_t i = 0; i < XM_MAX_PLENS; i++) {
		if (slots[i].used)
			continue;
		if (!before || !before[i].used)
			return &slots[i];
		if (!given_up)
			given_up = &slots[i];
	}
	return given_up;
}

static int fill_family(const bool needed[129], const struct xm_plen *before,
		       struct xm_plen slots[XM_MAX_PLENS], __u16 *n_slots, int family,
		       struct err *err)
{
	bool placed[129] = { false };

	for (size_t i = 0; before && i < XM_MAX_PLENS; i++) {
		uint32_t plen = before[i].plen;

		if (!before[i].used || plen > 128 || !needed[plen] || placed[plen])
			continue;
		fill_slot(&slots[i], plen);
		placed[plen] = true;
	}
	for (uint32_t plen = 0; plen <= 128; plen++) {
		struct xm_plen *slot;

		if (!needed[plen] || placed[plen])
			continue;
		slot = find_slot(slots, before);
		if (!slot)
			return err_set(err, -ENOSPC,
				       "more than %d different prefix lengths of IPv%d in the mesh",
				       XM_MAX_PLENS, family);
		fill_slot(slot, plen);
	}
	for (size_t i = 0; i < XM_MAX_PLENS; i++) {
		if (slots[i].used)
			*n_slots = (__u16)(i + 1);
	}
	return 0;
}

int wanted_plens(const struct wanted_route *routes, size_t n_routes, const struct facts *facts,
		 struct xm_config *config, struct err *err)
{
	bool needed[2][129] = { { false } };
	int rc;

	for (size_t i = 0; i < n_routes; i++)
		needed[!prefix_is_v4(&routes[i].prefix)][routes[i].prefix.plen] = true;
	for (int f = 0; f < 2; f++) {
		rc = fill_family(needed[f], facts->plens ? facts->plens[f] : NULL, config->plen[f],
				 &config->n_plen[f], f ? 6 : 4, err);
		if (rc)
			return rc;
	}
	return 0;
}
