/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The walk over a feed's files and their reading. Everything is opened below one descriptor that
 * was resolved once, so that a link swapped meanwhile cannot mix two generations; what is changed
 * in place shows in a second walk, whose stamp must be that of the first.
 */
#include "feed/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/defs.h"
#include "core/file.h"
#include "feed/feed.h"
#include "feed/git.h"

struct walk {
	struct tree *tree;
	struct watches *watches;
	const char *real; /* of the root */
	XXH3_state_t *stamp;
	struct stat above[FEED_MAX_DEPTH + 1];
	struct err *err;
};

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

/* What identifies one state of a file. */
static void stamp_file(XXH3_state_t *stamp, const char *name, const struct stat *st)
{
	uint64_t facts[] = {
		st->st_dev, st->st_ino, (uint64_t)st->st_size,
		(uint64_t)st->st_mtim.tv_sec, (uint64_t)st->st_mtim.tv_nsec,
		(uint64_t)st->st_ctim.tv_sec, (uint64_t)st->st_ctim.tv_nsec,
	};

	XXH3_128bits_update(stamp, name, strlen(name) + 1);
	XXH3_128bits_update(stamp, facts, sizeof(facts));
}

static struct tree_hash digest(const XXH3_state_t *state)
{
	XXH128_hash_t h = XXH3_128bits_digest(state);

	return (struct tree_hash){ .low = h.low64, .high = h.high64 };
}

static bool has_feed_name(const char *name)
{
	static const char *const ends[] = { ".yaml", ".yml", ".json" };
	size_t len = strlen(name);

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (len > strlen(ends[i]) && !strcmp(name + len - strlen(ends[i]), ends[i]))
			return true;
	return false;
}

static bool has_control(const char *name)
{
	for (; *name; name++)
		if ((unsigned char)*name < 0x20 || *name == 0x7f)
			return true;
	return false;
}

static int open_beneath(int root, const char *rel, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH,
	};
	long fd = syscall(SYS_openat2, root, rel, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

static int open_error(const struct walk *w, const char *rel, int code)
{
	const char *path = w->tree->path;

	switch (code) {
	case -ENOENT:
	case -ENOTDIR:
	case -EAGAIN:
		return err_set(w->err, -EAGAIN,
			       "%s/%s: changed while it was looked at, or a symbolic "
			       "link to nothing",
			       path, rel);
	case -ELOOP:
		return err_set(w->err, code, "%s/%s: a loop of symbolic links", path, rel);
	case -EXDEV:
		return err_set(w->err, code, "%s/%s: a symbolic link leads out of %s: put the file "
					     "itself there", path, rel, path);
	case -EACCES:
	case -EPERM:
		return err_set(w->err, -EACCES, "%s/%s: no permission to read it", path, rel);
	default:
		return err_set(w->err, code, "%s/%s: cannot open it: %s", path, rel,
			       strerror(-code));
	}
}

static int add_file(const struct walk *w, const char *rel)
{
	struct tree *t = w->tree;
	struct tree_file *more, *f;

	if (t->n_files == FEED_MAX_FILES)
		return err_set(w->err, -EFBIG, "%s: more than %d feed files", t->path,
			       FEED_MAX_FILES);
	if (!(t->n_files & (t->n_files - 1))) {
		more = reallocarray(t->files, t->n_files ? 2 * t->n_files : 1, sizeof(*more));
		if (!more)
			return no_memory(w->err);
		t->files = more;
	}
	f = &t->files[t->n_files++];
	*f = (struct tree_file){ .name = strdup(rel) };
	if (!f->name || asprintf(&f->shown, "%s/%s", t->path, rel) < 0) {
		f->shown = NULL;
		return no_memory(w->err);
	}
	return 0;
}

static int walk_folder(struct walk *w, const char *rel, unsigned int depth);

static int walk_entry(struct walk *w, const char *folder, const struct dirent *e,
		      unsigned int depth)
{
	bool feed = has_feed_name(e->d_name);
	auto_free char *rel = NULL;
	auto_close int fd = -1;
	struct stat st;

	if (e->d_type == DT_REG && !feed)
		return 0;
	if (asprintf(&rel, "%s%s%s", folder, *folder ? "/" : "", e->d_name) < 0) {
		rel = NULL;
		return no_memory(w->err);
	}
	if (has_control(e->d_name))
		return err_set(w->err, -EINVAL, "%s: a file name in %s has control characters",
			       w->tree->path, *folder ? folder : "it");
	if (e->d_type == DT_LNK || e->d_type == DT_UNKNOWN)
		watches_way(w->watches, w->real, rel);

	fd = open_beneath(w->tree->root, rel, O_PATH);
	if (fd == -ENOENT && !feed)
		return 0;
	if (fd < 0)
		return open_error(w, rel, fd);
	if (fstat(fd, &st))
		return open_error(w, rel, -errno);
	if (S_ISDIR(st.st_mode))
		return walk_folder(w, rel, depth + 1);
	if (!feed)
		return 0;
	if (!S_ISREG(st.st_mode))
		return err_set(w->err, -EINVAL, "%s/%s: not a regular file", w->tree->path, rel);
	stamp_file(w->stamp, rel, &st);
	return add_file(w, rel);
}

static int visible(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int walk_folder(struct walk *w, const char *rel, unsigned int depth)
{
	struct dirent **entries;
	auto_close int fd = -1;
	struct stat *here;
	int n, rc = 0;

	if (depth > FEED_MAX_DEPTH)
		return err_set(w->err, -EINVAL, "%s/%s: more than %d folders deep", w->tree->path,
			       rel, FEED_MAX_DEPTH);
	fd = open_beneath(w->tree->root, *rel ? rel : ".", O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return open_error(w, rel, fd);
	here = &w->above[depth];
	if (fstat(fd, here))
		return open_error(w, rel, -errno);
	for (unsigned int i = 0; i < depth; i++)
		if (w->above[i].st_dev == here->st_dev && w->above[i].st_ino == here->st_ino)
			return err_set(
				w->err, -ELOOP,
				"%s/%s: a symbolic link that leads back to a folder above it",
				w->tree->path, rel);
	watches_folder(w->watches, fd);

	n = scandirat(fd, ".", &entries, visible, by_name);
	if (n < 0)
		return open_error(w, rel, -errno);
	for (int i = 0; i < n; i++) {
		if (!rc)
			rc = walk_entry(w, rel, entries[i], depth);
		free(entries[i]);
	}
	free(entries);
	return rc;
}

/* A path that is one file: it is the whole feed, whatever its name. */
static int single_file(struct walk *w, const struct stat *st)
{
	struct tree *t = w->tree;

	t->files = calloc(1, sizeof(*t->files));
	if (!t->files)
		return no_memory(w->err);
	t->n_files = 1;
	t->files[0].name = strdup(strrchr(t->path, '/') + 1);
	t->files[0].shown = strdup(t->path);
	if (!t->files[0].name || !t->files[0].shown)
		return no_memory(w->err);
	stamp_file(w->stamp, t->files[0].name, st);
	return 0;
}

/* Where the root really is; empty if the kernel cannot say. */
static void real_path(int root, char real[PATH_MAX])
{
	char link[64];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", root);
	len = readlink(link, real, PATH_MAX - 1);
	real[len < 0 ? 0 : len] = '\0';
}

static int check_busy(const struct git *git, struct err *err)
{
	if (!git_is_busy(git))
		return 0;
	return err_set(
		err, -EBUSY,
		"%s/index.lock: a git command is at work there; if none runs, remove that file",
		git->dir);
}

static void watch_git(struct watches *watches, struct git *git)
{
	char path[2 * PATH_MAX], commit[65];

	snprintf(path, sizeof(path), "%s/index.lock", git->dir);
	watches_way(watches, "/", path);
	snprintf(path, sizeof(path), "%s/HEAD", git->dir);
	watches_way(watches, "/", path);
	git_commit(git, commit);
	if (!*git->ref)
		return;
	snprintf(path, sizeof(path), "%s/%s", git->common, git->ref);
	watches_way(watches, "/", path);
}

static int open_root(const char *path, struct err *err)
{
	int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno == ENOENT || errno == ENOTDIR)
		return err_set(err, -ENOENT, "%s: no such file or directory", path);
	if (errno == ELOOP)
		return err_set(err, -ELOOP, "%s: a loop of symbolic links", path);
	return err_set(err, -errno, "%s: cannot open it: %s", path, strerror(errno));
}

int tree_open(const char *path, struct watches *watches, struct tree **ret_tree, struct err *err)
{
	XXH3_state_t stamp;
	char real[PATH_MAX];
	struct walk walk = { .watches = watches, .real = real, .stamp = &stamp, .err = err };
	struct tree *t = calloc(1, sizeof(*t));
	struct git git;
	struct stat st;
	int rc;

	if (!t)
		return no_memory(err);
	walk.tree = t;
	XXH3_128bits_reset(&stamp);
	t->root = rc = open_root(path, err);
	if (rc < 0)
		goto fail;
	t->path = strdup(path);
	rc = t->path ? 0 : no_memory(err);
	if (rc)
		goto fail;
	if (fstat(t->root, &st)) {
		rc = err_set(err, -errno, "%s: cannot stat it: %s", path, strerror(errno));
		goto fail;
	}
	real_path(t->root, real);
	if (!git_find(real, &git)) {
		if (watches)
			watch_git(watches, &git);
		rc = check_busy(&git, err);
		if (rc)
			goto fail;
	}

	XXH3_128bits_update(&stamp, &st.st_dev, sizeof(st.st_dev));
	XXH3_128bits_update(&stamp, &st.st_ino, sizeof(st.st_ino));
	if (S_ISDIR(st.st_mode))
		rc = walk_folder(&walk, "", 0);
	else if (S_ISREG(st.st_mode))
		rc = single_file(&walk, &st);
	else
		rc = err_set(err, -EINVAL, "%s: neither a folder nor a regular file", path);
	if (!rc && !t->n_files)
		rc = err_set(
			err, -ENOENT,
			"%s: no *.yaml, *.yml or *.json in it; a cluster without nodes is a file "
			"with an empty List",
			path);
	if (rc)
		goto fail;
	t->stamp = digest(&stamp);
	*ret_tree = t;
	return 0;
fail:
	tree_free(t);
	return rc;
}

void tree_free(struct tree *tree)
{
	if (!tree)
		return;
	for (size_t i = 0; i < tree->n_files; i++) {
		free(tree->files[i].name);
		free(tree->files[i].shown);
		free(tree->files[i].text);
	}
	free(tree->files);
	if (tree->root >= 0)
		close(tree->root);
	free(tree->path);
	free(tree);
}

/* ---- reading -------------------------------------------------------------------------------- */

static int read_files(struct tree *t, bool single, struct err *err)
{
	char self[64];
	size_t total = 0;
	int rc;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", t->root);
	for (size_t i = 0; i < t->n_files; i++) {
		struct tree_file *f = &t->files[i];

		rc = single ? file_read(AT_FDCWD, self, f->shown, FEED_MAX_FILE, 0, &f->text,
					&f->len, err)
			    : file_read(t->root, f->name, f->shown, FEED_MAX_FILE, 1, &f->text,
					&f->len, err);
		if (rc)
			return rc;
		total += f->len;
		if (total > FEED_MAX_TOTAL)
			return err_set(err, -EFBIG,
				       "%s: its files have more than %u bytes together", t->path,
				       FEED_MAX_TOTAL);
	}
	return 0;
}

/* Is everything still as it was listed? */
static int look_again(const struct tree *t, struct err *err)
{
	struct tree *again;
	bool same;
	int rc;

	rc = tree_open(t->path, NULL, &again, err);
	if (rc == -EBUSY || rc == -ENOMEM)
		return rc;
	same = !rc && again->stamp.low == t->stamp.low && again->stamp.high == t->stamp.high;
	if (!rc)
		tree_free(again);
	return same ? 0 : err_set(err, -EAGAIN, "%s: changed while it was read", t->path);
}

static struct tree_hash hash_content(const struct tree *t)
{
	XXH3_state_t state;

	XXH3_128bits_reset(&state);
	for (size_t i = 0; i < t->n_files; i++) {
		const struct tree_file *f = &t->files[i];
		uint64_t len = f->len;

		XXH3_128bits_update(&state, f->name, strlen(f->name) + 1);
		XXH3_128bits_update(&state, &len, sizeof(len));
		XXH3_128bits_update(&state, f->text, f->len);
	}
	return digest(&state);
}

/* Whether all files are those of the commit that their work tree is at. */
static bool is_commit(const struct tree *t, char real[PATH_MAX], bool single, char commit[65])
{
	auto_free const char **names = calloc(t->n_files, sizeof(*names));
	auto_close int parent = -1;
	char *slash = strrchr(real, '/');
	struct git git;

	if (!names || !slash || git_find(real, &git) || git_commit(&git, commit))
		return false;
	for (size_t i = 0; i < t->n_files; i++)
		names[i] = t->files[i].name;
	if (!single)
		return git_is_clean(&git, commit, t->root, real, names, t->n_files);
	names[0] = slash + 1;
	*slash = '\0';
	parent = open(*real ? real : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return parent >= 0 && git_is_clean(&git, commit, parent, real, names, 1);
}

/*
 * git-sync names the folder that its link leads to by the commit; the feed may lie deeper in it.
 * Else the commit of the work tree, if the files are as it has them. Else the content's own.
 */
static void name_revision(struct tree *t, bool single)
{
	char real[PATH_MAX], commit[65];

	real_path(t->root, real);
	for (char *slash = real + strlen(real);
	     (slash = memrchr(real, '/', (size_t)(slash - real)));) {
		int len = git_hex(slash + 1);

		if (len) {
			snprintf(t->revision, sizeof(t->revision), "%.*s", len, slash + 1);
			return;
		}
	}
	if (is_commit(t, real, single, commit))
		snprintf(t->revision, sizeof(t->revision), "%s", commit);
	else
		snprintf(t->revision, sizeof(t->revision), "sha:%016llx",
			 (unsigned long long)t->content.low);
}

int tree_load(struct tree *tree, struct err *err)
{
	struct err read_err = {};
	struct stat st;
	bool single;
	int rc, changed;

	if (fstat(tree->root, &st))
		return err_set(err, -errno, "%s: cannot stat it: %s", tree->path, strerror(errno));
	single = S_ISREG(st.st_mode);
	rc = read_files(tree, single, &read_err);
	/* A failure in the middle of a change is not worth telling; it may be none afterwards. */
	changed = look_again(tree, err);
	if (changed)
		return changed;
	if (rc)
		return err_set(err, rc, "%s", read_err.text);
	tree->content = hash_content(tree);
	name_revision(tree, single);
	return 0;
}
