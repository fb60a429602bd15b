/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The cache's files. The first line is the List's beginning with what is told about it; from the second
 * on one object a line, so that a large one is read without a tree of all of it; the checksum is of
 * everything behind the first line.
 */
#include "agent/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/defs.h"
#include "core/doc.h"
#include "core/file.h"
#include "feed/decode.h"
#include "feed/encode.h"

#define CACHE_MAX (1024u * 1024 * 1024)
#define HEAD_MAX 4096

char *cache_dir(const struct config *config)
{
	char *dir;

	return asprintf(&dir, "%s/%s/feeds", config->state_dir, config->instance) < 0 ? NULL : dir;
}

/* ---- writing ------------------------------------------------------------------------------- */

struct writer {
	FILE *out;
	XXH3_state_t *sum;
	bool any;
};

static int put(struct writer *w, const char *text, size_t len)
{
	XXH3_64bits_update(w->sum, text, len);
	return fwrite(text, 1, len, w->out) == len ? 0 : -EIO;
}

static int put_object(void *user, const char *kind, const char *space, const char *name,
		      const char *json, size_t len)
{
	struct writer *w = user;
	int code = w->any ? put(w, ",\n", 2) : 0;

	w->any = true;
	return code ? code : put(w, json, len);
}

/* The first line; of the same length whatever @sum is. */
static int format_head(const char *name, uint16_t id, const char *revision, time_t time_s, uint64_t sum,
		       char head[HEAD_MAX])
{
	json_object *o = json_object_new_object();
	char text[24];
	const char *notes;
	int len;

	json_object_object_add(o, "xmesh.io/cluster", json_object_new_string(name));
	snprintf(text, sizeof(text), "%u", id);
	json_object_object_add(o, "xmesh.io/cluster-id", json_object_new_string(text));
	json_object_object_add(o, "xmesh.io/revision", json_object_new_string(revision));
	snprintf(text, sizeof(text), "%lld", (long long)time_s);
	json_object_object_add(o, "xmesh.io/time", json_object_new_string(text));
	snprintf(text, sizeof(text), "%016" PRIx64, sum);
	json_object_object_add(o, "xmesh.io/checksum", json_object_new_string(text));
	notes = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	len = notes ? snprintf(head, HEAD_MAX,
			       "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"metadata\":{\"annotations\":%s},"
			       "\"items\":[\n", notes) : -1;
	json_object_put(o);
	return len > 0 && len < HEAD_MAX ? len : -ENOMEM;
}

static int make_folders(const char *dir)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s", dir);

	if (n < 0 || n >= (int)sizeof(path))
		return -ENAMETOOLONG;
	for (char *at = path + 1;; at++) {
		char end = *at;

		if (end && end != '/')
			continue;
		*at = '\0';
		if (mkdir(path, end ? 0755 : 0700) && errno != EEXIST)
			return -errno;
		if (!end)
			return 0;
		*at = end;
	}
}

static int write_objects(int fd, const char *name, uint16_t id, const struct snapshot *snapshot)
{
	auto_free XXH3_state_t *sum = aligned_alloc(64, (sizeof(*sum) + 63) / 64 * 64);
	struct writer w = { .out = fdopen(dup(fd), "w"), .sum = sum };
	char head[HEAD_MAX];
	time_t now_s = time(NULL);
	int code = -ENOMEM, len;

	if (!w.out)
		return -errno;
	len = format_head(name, id, snapshot->revision, now_s, 0, head);
	if (sum && len > 0) {
		XXH3_64bits_reset(sum);
		code = fwrite(head, 1, len, w.out) == (size_t)len ? 0 : -EIO;
	}
	if (!code)
		code = encode_snapshot(snapshot, ENCODE_ALL, put_object, &w);
	if (!code)
		code = put(&w, "\n]}\n", 4);
	if (fclose(w.out) && !code)
		code = -errno;
	if (code)
		return code;
	len = format_head(name, id, snapshot->revision, now_s, XXH3_64bits_digest(sum), head);
	if (len < 0)
		return len;
	if (pwrite(fd, head, len, 0) != len)
		return -EIO;
	return fsync(fd) ? -errno : 0;
}

int cache_write(const char *dir, const char *name, uint16_t id, const struct snapshot *snapshot,
		struct err *err)
{
	auto_close int folder = -1, fd = -1;
	char file[80], fresh[80];
	int code = make_folders(dir);

	if (code)
		return err_set(err, code, "%s cannot be made: %s", dir, strerror(-code));
	folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return err_set(err, -errno, "%s: %s", dir, strerror(errno));
	snprintf(file, sizeof(file), "%s.json", name);
	snprintf(fresh, sizeof(fresh), ".%s.json.new", name);
	/* Of one who died in the middle of it. */
	unlinkat(folder, fresh, 0);
	fd = openat(folder, fresh, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	code = fd < 0 ? -errno : write_objects(fd, name, id, snapshot);
	if (!code && renameat(folder, fresh, folder, file))
		code = -errno;
	if (code) {
		unlinkat(folder, fresh, 0);
		return err_set(err, code, "%s/%s cannot be written: %s", dir, file, strerror(-code));
	}
	fsync(folder);
	return 0;
}

void cache_remove(const char *dir, const char *name)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s.json", dir, name) < (int)sizeof(path))
		unlink(path);
}

/* ---- reading ------------------------------------------------------------------------------- */

struct head {
	const char *cluster, *id, *revision, *time, *checksum;
};

static int read_head(const char *line, size_t len, const char *shown, struct doc_set **ret_set,
		     struct head *ret_head, struct err *err)
{
	char text[HEAD_MAX + 3];
	const struct doc *notes;
	struct doc_set *set;
	struct head h;
	int code;

	if (len > HEAD_MAX)
		return err_set(err, -EINVAL, "%s: its first line is too long", shown);
	memcpy(text, line, len);
	strcpy(text + len, "]}");
	code = doc_parse(text, len + 2, shown, &set, err);
	if (code)
		return code;
	notes = set->n ? doc_path(set->docs[0], "metadata", "annotations", NULL) : NULL;
	h = (struct head){ .cluster = doc_text(doc_get(notes, "xmesh.io/cluster")),
			   .id = doc_text(doc_get(notes, "xmesh.io/cluster-id")),
			   .revision = doc_text(doc_get(notes, "xmesh.io/revision")),
			   .time = doc_text(doc_get(notes, "xmesh.io/time")),
			   .checksum = doc_text(doc_get(notes, "xmesh.io/checksum")) };
	if (!h.cluster || !h.id || !h.revision || !h.time || !h.checksum) {
		doc_set_free(set);
		return err_set(err, -EINVAL, "%s: its first line is not one of a cache", shown);
	}
	*ret_set = set;
	*ret_head = h;
	return 0;
}

static int decode_lines(struct decoder *decoder, const char *at, const char *shown, struct err *err)
{
	while (*at && strcmp(at, "]}\n")) {
		size_t len = strcspn(at, "\n");
		const char *next = at + len + (at[len] == '\n');
		struct doc_set *set;
		int code;

		if (len && at[len - 1] == ',')
			len--;
		/* Between the brackets of a List without objects. */
		if (!len) {
			at = next;
			continue;
		}
		code = doc_parse(at, len, shown, &set, err);
		if (code)
			return code;
		code = decoder_add(decoder, set, shown, err);
		doc_set_free(set);
		if (code)
			return code;
		at = next;
	}
	return 0;
}

static int read_objects(const char *text, size_t len, const char *shown, const char *name, uint16_t id,
			time_t *ret_time_s, struct snapshot **ret_snapshot, struct err *err)
{
	const char *body = memchr(text, '\n', len);
	struct decoder *decoder = NULL;
	struct doc_set *set = NULL;
	struct head head = { 0 };
	int code;

	if (!body++)
		return err_set(err, -EINVAL, "%s is damaged: it has one line only", shown);
	code = read_head(text, body - text, shown, &set, &head, err);
	if (code)
		return code;
	if (XXH3_64bits(body, len - (body - text)) != strtoull(head.checksum, NULL, 16))
		code = err_set(err, -EINVAL, "%s is damaged: its checksum is another one", shown);
	else if (strcmp(head.cluster, name) || strtoul(head.id, NULL, 10) != id)
		code = err_set(err, -EINVAL, "%s is of cluster %s with id %s, not of %s with id %u", shown,
			       head.cluster, head.id, name, id);
	if (!code) {
		code = decoder_new(&decoder);
		code = code ? err_set(err, code, "out of memory") : decode_lines(decoder, body, shown, err);
	}
	if (!code) {
		code = decoder_take(decoder, head.revision, ret_snapshot);
		if (code)
			err_set(err, code, "out of memory");
	}
	if (!code) {
		*ret_time_s = strtoll(head.time, NULL, 10);
		(*ret_snapshot)->counts.files = (*ret_snapshot)->counts.documents = 1;
	}
	decoder_free(decoder);
	doc_set_free(set);
	return code;
}

int cache_read(const char *dir, const char *name, uint16_t id, time_t *ret_time_s,
	       struct snapshot **ret_snapshot, struct err *err)
{
	auto_free char *text = NULL;
	char path[PATH_MAX];
	size_t len;
	int code;

	if (snprintf(path, sizeof(path), "%s/%s.json", dir, name) >= (int)sizeof(path))
		return err_set(err, -ENAMETOOLONG, "%s: the path is too long", dir);
	code = file_read(AT_FDCWD, path, path, CACHE_MAX, 0, &text, &len, err);
	return code ? code : read_objects(text, len, path, name, id, ret_time_s, ret_snapshot, err);
}
