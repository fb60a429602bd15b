/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the parts of plane/balance.h share: what is installed (balance_adopt.c), the operations that
 * make it what is wanted (balance_plan.c), and the maps (balance_apply.c). Internal to them.
 */
#ifndef XMESH_PLANE_BALANCE_PARTS_H
#define XMESH_PLANE_BALANCE_PARTS_H

#include "plane/balance.h"
#include "plane/balance_alloc.h"

#define BALANCE_BACKENDS_SIZE (XM_MAX_BACKENDS * sizeof(struct xm_backend))
/* Pairs without a gap: mmap shows the slots as one array. */
#define BALANCE_MAGLEV_SIZE (XM_MAGLEV_SLOTS * sizeof(uint32_t))

_Static_assert(sizeof(struct xm_maglev_pair) == 2 * sizeof(uint32_t), "slots follow each other");

/* A service as the maps hold it. */
struct installed {
	uint32_t number;                     /* 0 = nothing of it is there yet */
	bool current;                        /* version is what the maps hold */
	uint64_t version;
	struct xm_service_name name;
	struct service_frontend_entry *frontends; size_t n_frontends;
	uint32_t *numbers; size_t n_numbers; /* of backends, in the order of service->backends */
};

/*
 * What is installed, and what waits. The plan runs ahead of the maps: when its operations could not
 * all be carried out, this is thrown away and adopted anew.
 */
struct balance_state {
	const char *dir;                     /* of the maps, for sentences */
	const struct xm_backend *backends;   /* the maps themselves; only looked at */
	uint32_t n_backends;                 /* numbers from there on were never given */
	const uint32_t *maglev;              /* by slot; NULL: asked through slice_is() */
	bool (*slice_is)(int maglev_fd, uint64_t where, const uint32_t *slots);
	int maglev_fd;
	uint32_t *bits;                      /* frontends that each filter bit stands for */
	struct slots slots;
	struct numbers backend_numbers, service_numbers;
	struct grace grace;
	struct installed **services; size_t n_services; /* sorted by (space, name) */
	size_t n_frontends, max_frontends;
};

int balance_state_init(struct balance_state *state);
void balance_state_done(struct balance_state *state);
void balance_installed_free(struct installed *s);
/*
 * Everything that @tables, which are emptied, and the arrays hold. What no service refers to waits
 * from @now_s on. -ENOMEM.
 */
int balance_adopt(struct balance_state *state, struct service_tables *tables, uint64_t now_s);

/* ---- operations, in the order in which they are to be carried out ---- */

enum balance_op_kind {
	BALANCE_CLEAR_SLICE,
	BALANCE_PUT_NAME,
	BALANCE_WRITE_BACKEND,
	BALANCE_WRITE_SLICE,
	BALANCE_FILTER_ON,
	BALANCE_PUT_SERVICE,
	BALANCE_DELETE_SERVICE,              /* unless another service has taken the frontend over */
	BALANCE_FILTER_OFF,
	BALANCE_SET_STATE,
	BALANCE_DELETE_NAME,
};

struct balance_op {
	enum balance_op_kind kind;
	uint32_t number;                     /* of the backend or service */
	union {
		const struct xm_service_name *name;
		struct xm_backend backend;
		struct { uint64_t where; size_t at; } slice; /* @at: its slots in plan->slots */
		struct { uint8_t scope; uint32_t bit; } filter;
		struct xm_service service;
		struct { uint8_t state, why; } state;
	};
};

struct balance_plan {
	struct balance_op *ops; size_t n;
	uint32_t *slots;
	size_t n_services;                   /* that are touched */
	size_t n_states;                     /* BALANCE_SET_STATE among the operations */
};

/*
 * From @state to @services; @state is then what the maps hold after the operations. -ENOSPC with a
 * sentence: the plan is for what fits. -ENOMEM: no plan, and @state is to be adopted anew.
 */
int balance_plan(struct balance_state *state, const struct service *const *services, size_t n,
		 uint64_t now_s, uint64_t wall_s, struct balance_plan *ret_plan, struct err *err);
/*
 * The same for services that are known to have changed and to be installed, in any order: others are
 * not looked at. -ENOENT: one is not installed, and nothing was touched.
 */
int balance_plan_some(struct balance_state *state, const struct service *const *services, size_t n,
		      uint64_t now_s, uint64_t wall_s, struct balance_plan *ret_plan, struct err *err);
void balance_plan_done(struct balance_plan *plan);

/* ---- the maps ---- */

struct balance {
	const struct plane *plane;
	struct xm_backend *backends;         /* mapped, as far as there are any */
	size_t backends_size;                /* bytes of that mapping */
	struct xm_vip_filter *filter;
	struct balance_state state;
	bool stale;                          /* state is not what the maps hold */
	uint64_t at;                         /* services_changes().to that the maps hold; 0 = unknown */
};

int balance_map(const struct plane *plane, enum plane_map map, size_t size, int prot,
		void **ret_p, struct err *err);
/* balance_read(); @strays: also numbers without a name. */
int balance_tables(const struct plane *plane, bool strays, struct service_tables **ret_tables,
		   struct err *err);
/* Whether the slice @where of xm_maglev holds @slots. False too when that cannot be told. */
bool balance_slice_is(int maglev_fd, uint64_t where, const uint32_t *slots);
/* @slots, NULL = zeros, into the slice @where, which is not empty. */
int balance_write_slice(const struct plane *plane, uint64_t where, const uint32_t *slots,
			struct err *err);
__u64 *balance_bits(struct xm_vip_filter *filter, uint8_t scope);
/*
 * Operations @first up to @end of @plan, until one fails. @lost, with room for plan->n_states: backends
 * that became GONE or DOWN.
 */
int balance_apply(struct balance *b, const struct balance_plan *plan, size_t first, size_t end,
		  uint64_t wall_s, uint32_t *lost, size_t *n_lost, struct err *err);

#endif
