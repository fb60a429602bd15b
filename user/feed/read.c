/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a folder of files to a snapshot, all or nothing. Not for: when to do it. */
#include "feed/read.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/defs.h"
#include "core/doc.h"
#include "feed/decode.h"
#include "feed/feed.h"

#define READ_TRIES 5 /* of feed_dir_read(), on a tree that changes */

static bool same(struct tree_hash a, struct tree_hash b)
{
	return a.low == b.low && a.high == b.high;
}

static int decode_file(struct decoder *decoder, struct tree_file *file, struct err *err)
{
	struct doc_set *set;
	int rc;

	rc = doc_parse(file->text, file->len, file->shown, &set, err);
	if (rc)
		return rc;
	/* Not needed any more, and the next file's tree may be large. */
	free(take(file->text));
	if (set->n)
		rc = decoder_add(decoder, set, file->shown, err);
	else
		rc = err_set(
			err, -EINVAL,
			"%s: no object in it; an empty file may be half of one, remove it if not",
			file->shown);
	doc_set_free(set);
	return rc;
}

static int decode_tree(struct decoder *decoder, struct tree *tree, bool all_watched,
		       struct snapshot **ret_snapshot, struct err *err)
{
	struct snapshot *s;
	int rc;

	for (size_t i = 0; i < tree->n_files; i++) {
		rc = decode_file(decoder, &tree->files[i], err);
		if (rc)
			return rc;
	}
	if (!all_watched) {
		rc = decoder_warn(
			decoder,
			"%s: the kernel cannot watch all of it, changes may be seen after 30 s "
			"only: raise fs.inotify.max_user_watches",
			tree->path);
		if (rc)
			return err_set(err, rc, "out of memory");
	}
	rc = decoder_take(decoder, tree->revision, &s);
	if (rc)
		return err_set(err, rc, "out of memory");
	*ret_snapshot = s;
	return 0;
}

static int open_watched(const char *path, struct watches *watches, struct tree **ret_tree,
			bool *ret_all_watched, struct err *err)
{
	int rc;

	watches_begin(watches);
	watches_way(watches, "/", path);
	rc = tree_open(path, watches, ret_tree, err);
	*ret_all_watched = !watches || watches_end(watches);
	return rc;
}

int read_dir(const char *path, struct watches *watches, const struct read_state *last,
	     bool by_stamp, struct read_state *ret_state, struct snapshot **ret_snapshot,
	     struct err *err)
{
	struct decoder *decoder = NULL;
	struct read_state state = {};
	struct snapshot *s = NULL;
	struct tree *tree;
	bool all_watched;
	int rc;

	rc = open_watched(path, watches, &tree, &all_watched, err);
	if (rc)
		return rc;
	if (last && by_stamp && same(last->stamp, tree->stamp)) {
		state = *last;
		goto done;
	}
	rc = tree_load(tree, err);
	if (rc)
		goto done;
	state.stamp = tree->stamp;
	state.content = tree->content;
	strcpy(state.revision, tree->revision);
	if (last && same(last->content, state.content) && !strcmp(last->revision, state.revision))
		goto done;
	rc = decoder_new(&decoder);
	rc = rc ? err_set(err, rc, "out of memory")
		: decode_tree(decoder, tree, all_watched, &s, err);
	decoder_free(decoder);
done:
	tree_free(tree);
	if (rc)
		return rc;
	*ret_state = state;
	*ret_snapshot = s;
	return 0;
}

char *read_absolute(const char *path)
{
	auto_free char *cwd = NULL;
	char *absolute = NULL;
	size_t len;

	if (*path == '/')
		absolute = strdup(path);
	else if ((cwd = getcwd(NULL, 0)) && asprintf(&absolute, "%s/%s", cwd, path) < 0)
		absolute = NULL;
	if (!absolute)
		return NULL;
	for (len = strlen(absolute); len > 1 && absolute[len - 1] == '/'; len--)
		absolute[len - 1] = '\0';
	return absolute;
}

int feed_dir_read(const char *path, struct snapshot **ret_snapshot, struct err *err)
{
	auto_free char *absolute = read_absolute(path);
	struct read_state state;
	int rc = -EAGAIN;

	if (!absolute)
		return err_set(err, -ENOMEM, "%s: no memory, or no working directory", path);
	for (int i = 0; i < READ_TRIES && rc == -EAGAIN; i++)
		rc = read_dir(absolute, NULL, NULL, false, &state, ret_snapshot, err);
	return rc;
}
