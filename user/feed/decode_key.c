/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One object whose key says which it is. Not for: what is in objects. */
#include "feed/decode_key.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/defs.h"
#include "core/doc.h"
#include "feed/decode_object.h"

static const struct {
	const char *path, *kind;
	bool spaced;
} kinds[] = {
	{ "nodes/", "Node", false },
	{ "services/", "Service", true },
	{ "endpointslices/", "EndpointSlice", true },
	{ "serviceexports/", "ServiceExport", true },
	{ "serviceimports/", "ServiceImport", true },
};

struct named {
	const char *kind, *name; /* as the key has them; name: with its namespace */
	struct piece *piece;
};

/* Is @name "SPACE/NAME" of @o, or "NAME"? */
static bool is_name_of(const char *name, const struct object *o)
{
	size_t len = strlen(o->space);

	if (!len)
		return !strcmp(name, o->name);
	return !strncmp(name, o->space, len) && name[len] == '/' && !strcmp(name + len + 1, o->name);
}

static int take_named(void *user, struct object *o, struct err *err)
{
	struct named *named = user;

	if (!o->piece || strcmp(o->kind, named->kind) || !is_name_of(named->name, o))
		return err_set(err, -EINVAL, "the object in it is %s %s%s%s, not the one that the key names",
			       o->kind, o->space, *o->space ? "/" : "", o->name ? o->name : "");
	if (named->piece)
		return err_set(err, -EINVAL, "it is more than one object");
	named->piece = take(o->piece);
	return 0;
}

int decode_keyed(void *user, const char *key, const void *value, size_t len,
		 struct piece **ret_pieces, struct err *err)
{
	const char *slash;
	struct named named = { .kind = NULL };
	struct doc_set *set;
	bool spaced = false;
	int code;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strncmp(key, kinds[i].path, strlen(kinds[i].path)))
			continue;
		named.kind = kinds[i].kind;
		named.name = key + strlen(kinds[i].path);
		spaced = kinds[i].spaced;
	}
	if (!named.kind) {
		*ret_pieces = NULL;
		return 0;
	}
	slash = strchr(named.name, '/');
	if (!slash == spaced || (slash && strchr(slash + 1, '/')))
		return err_set(err, -EINVAL, "the key is not %s",
			       spaced ? "KIND/NAMESPACE/NAME" : "nodes/NAME");
	code = doc_parse(value, len, "the value", &set, err);
	if (code)
		return code;
	if (set->n == 1)
		code = decode_walk(set->docs[0], "", take_named, &named, err);
	if (!code && !named.piece)
		code = err_set(err, -EINVAL, "one Kubernetes object as JSON is wanted");
	doc_set_free(set);
	if (code) {
		piece_free(named.piece);
		return code;
	}
	*ret_pieces = named.piece;
	return 0;
}
