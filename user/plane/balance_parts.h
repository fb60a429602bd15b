/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the parts of plane/balance.h share. Internal to them. */
#ifndef XMESH_PLANE_BALANCE_PARTS_H
#define XMESH_PLANE_BALANCE_PARTS_H

#include "plane/balance.h"
#include "plane/balance_alloc.h"

#define BALANCE_BACKENDS_SIZE (XM_MAX_BACKENDS * sizeof(struct xm_backend))

/* Pairs without a gap: mmap shows the slots as one array. */
#define BALANCE_MAGLEV_SIZE (XM_MAGLEV_SLOTS * sizeof(uint32_t))

_Static_assert(sizeof(struct xm_maglev_pair) == 2 * sizeof(uint32_t), "slots follow each other");

struct installed {
	char space[64], name[64];
	uint32_t number;
	bool current;             /* version is what the maps hold */
	uint64_t version;
	struct service_frontend_entry *frontends; size_t n_frontends;
	uint32_t *numbers; size_t n_numbers; /* of backends, in the order of service->backends */
};

struct balance {
	const struct plane *plane;
	struct xm_backend *backends;      /* the maps themselves */
	uint32_t *maglev;                 /* by slot */
	struct xm_vip_filter *filter;
	uint32_t *bits;                   /* frontends that each filter bit stands for */
	struct slots slots;
	struct numbers backend_numbers, service_numbers;
	struct grace grace;
	struct installed **services; size_t n_services; /* sorted by (space, name) */
	uint32_t *scratch; size_t scratch_n;            /* a table before it is written */
};

/* A service on its way from what is installed to what is wanted. */
struct change {
	struct installed *s;
	const struct service *want;       /* NULL = it goes */
	uint32_t *numbers;                /* of want->backends */
	struct service_frontend_entry *frontends; size_t n_frontends;
	uint64_t *fresh; size_t n_fresh;  /* slices taken for it, as xm_service.where */
	bool failed;
};

int balance_map(const struct plane *plane, enum plane_map map, size_t size, int prot,
		void **ret_p, struct err *err);
/* balance_read(); @strays: also numbers without a name. */
int balance_tables(const struct plane *plane, bool strays, struct service_tables **ret_tables,
		   struct err *err);

/*
 * balance_plan.c: numbers and slices for @change->want, written where nothing points to them yet;
 * frontends that are to point there. On -ENOSPC everything taken is given back.
 */
int balance_prepare(struct balance *b, struct change *change, uint64_t now_s, uint64_t wall_s,
		    size_t *ops, struct err *err);
/* Is @number one that the service had before? */
bool balance_had(const struct change *change, uint32_t number);

#endif
