/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One value of a peer's store, a Kubernetes object as JSON, into pieces. Not for: files. */
#include <errno.h>

#include "core/defs.h"
#include "core/doc.h"
#include "feed/decode_object.h"
#include "feed/store.h"

struct chain {
	struct piece *first, **end;
};

static int append(void *user, struct object *o, struct err *err)
{
	struct chain *chain = user;

	if (!o->piece)
		return 0;
	*chain->end = take(o->piece);
	chain->end = &(*chain->end)->next;
	return 0;
}

int store_decode_object(void *user, const char *key, const void *value, size_t len,
			struct piece **ret_pieces, struct err *err)
{
	struct chain chain = { .end = &chain.first };
	struct doc_set *set;
	int rc;

	rc = doc_parse(value, len, "the value", &set, err);
	if (rc)
		return rc;
	if (!set->n)
		rc = err_set(err, -EINVAL, "it is empty: a Kubernetes object as JSON is wanted");
	for (size_t i = 0; !rc && i < set->n; i++)
		rc = decode_walk(set->docs[i], "", append, &chain, err);
	doc_set_free(set);
	if (rc) {
		piece_free(chain.first);
		return rc;
	}
	*ret_pieces = chain.first;
	return 0;
}
