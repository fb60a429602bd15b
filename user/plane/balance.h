/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Global services into xm_backends, xm_maglev, xm_services, xm_service_names and xm_vip_filter, and
 * back after a restart. Holds what is installed: numbers and slices in use, and those that wait out
 * their grace period. What is to be installed: model/services.h.
 */
#ifndef XMESH_PLANE_BALANCE_H
#define XMESH_PLANE_BALANCE_H

#include "core/err.h"
#include "model/service_tables.h"
#include "model/services.h"
#include "plane/plane.h"

/* Freed slices and numbers are not reused before: a program may still read them. */
#define BALANCE_GRACE_S 30

struct balance;

/*
 * Map the arrays and adopt what is pinned: services, slices and backend numbers as they are, so that
 * balance_sync() with the same services changes nothing. What nothing refers to is freed, with a grace
 * period that starts now. @plane is borrowed. -ENOENT: not loaded. -ENOMEM.
 */
int balance_new(const struct plane *plane, uint64_t now_s, struct balance **ret_balance, struct err *err);
void balance_free(struct balance *balance);

struct balance_result {
	size_t services;        /* that had to be touched */
	size_t ops;             /* entries and slices written */
	/* Backends that existing connections must leave: GONE, or DOWN since this call. The caller frees. */
	uint32_t *lost; size_t n_lost;
};

/*
 * Bring the maps to @services (services_list()), touching only those whose version is another than at
 * the last call. Order: backends, slices, then the services that point to them; filter bits before a
 * service, and off after it; a backend that leaves becomes GONE at once, and its number is free after
 * the grace period. @wall_s: for since_s; @now_s: monotonic, for grace periods. Resumable: an error
 * leaves what fitted. -ENOSPC with a sentence that says which limit, and when a grace period ends.
 */
int balance_sync(struct balance *balance, const struct service *const *services, size_t n,
		 uint64_t now_s, uint64_t wall_s, struct balance_result *ret_result, struct err *err);
/*
 * balance_sync() with services_list(); looks only at what services_changes() names when the call before
 * ended without an error where that begins, so that a link that was missed costs time and nothing else.
 */
int balance_follow(struct balance *balance, const struct services *services, uint64_t now_s,
		   uint64_t wall_s, struct balance_result *ret_result, struct err *err);
void balance_result_done(struct balance_result *result);
/* Seconds until the next grace period ends, 0 = nothing waits. */
uint64_t balance_wait_s(const struct balance *balance, uint64_t now_s);
/* xm_backends[number], as it is now; NULL beyond the end. */
const struct xm_backend *balance_backend(const struct balance *balance, uint32_t number);

/* ---- for people, from the pinned maps alone (no agent needed) ---- */

/* What is installed. -ENOMEM, errors of bpf(2). service_tables_free() releases. */
int balance_read(const struct plane *plane, struct service_tables **ret_tables, struct err *err);
/*
 * Slots of @frontend's slice that hold @number, of how many: the share of new connections. Reads the
 * slice from the map.
 */
int balance_share(const struct plane *plane, const struct xm_service *service, uint32_t number,
		  uint32_t *ret_slots, uint32_t *ret_size, struct err *err);
/*
 * The @n slots of xm_maglev from @first on, which must lie in it, as they stand: no system call for each.
 * -ENOENT, errors of mmap(2).
 */
int balance_slots(const struct plane *plane, uint32_t first, uint32_t n, uint32_t *ret_numbers,
		  struct err *err);

#endif
