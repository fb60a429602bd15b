/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The text of xmesh.io/prefer and xmesh.io/weights, to lists and back: from annotations, and from
 * xm_service_names after a restart, where the weights of xmesh.io/nearest are too. Not for: what the lists do (model/services.h).
 */
#ifndef XMESH_MODEL_POLICY_H
#define XMESH_MODEL_POLICY_H

#include "core/err.h"
#include "model/snapshot.h"

#define POLICY_MAX_WEIGHT 1000000

/*
 * "local,west,*" / "east=90,west=10"; blanks around names and numbers do not count. An empty text is
 * an empty list. -EINVAL with a sentence: an empty or bad name, one twice, a number that is none or
 * above POLICY_MAX_WEIGHT, more than SNAPSHOT_MAX_TIERS. -ENOMEM. The caller frees the list.
 */
int policy_parse_prefer(const char *text, char (**ret_prefer)[64], size_t *ret_n, struct err *err);
int policy_parse_weights(const char *text, struct weight_object **ret_weights, size_t *ret_n,
			 struct err *err);

/* The same as text again, for people; what does not fit ends in "...". */
void policy_format_prefer(const struct service_object *service, char *buf, size_t size);
void policy_format_weights(const struct service_object *service, char *buf, size_t size);

/*
 * "nearest: west=99,north=1": the heaviest first (@weights are sorted so), so that it is the light
 * ones that do not fit.
 */
void policy_format_nearest(struct weight_object *weights, size_t n, char *buf, size_t size);
bool policy_is_nearest(const char *text);
/* Those that were not cut. Errors of policy_parse_weights(). */
int policy_parse_nearest(const char *text, struct weight_object **ret_weights, size_t *ret_n);

#endif
