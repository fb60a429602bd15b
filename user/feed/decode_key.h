/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Values that lie under a key which names the object: KIND/NAMESPACE/NAME or nodes/NAME; KIND as the Kubernetes
 * API has it in its paths. Pure.
 */
#ifndef XMESH_FEED_DECODE_KEY_H
#define XMESH_FEED_DECODE_KEY_H

#include "feed/store.h"

/*
 * A store_decode_fn: as store_decode_object(), and the object is the one that @key names, else -EINVAL.
 * Keys of other kinds are of no interest and not read. @user is not used.
 */
int decode_keyed(void *user, const char *key, const void *value, size_t len,
		 struct piece **ret_pieces, struct err *err);

#endif
