/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* HEAD, refs, packed-refs and the index, read as files. Not for: objects, or writing anything. */
#include "feed/git.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/defs.h"
#include "core/file.h"

#define SMALL 4096
#define MAX_REFS (16u << 20)
#define MAX_INDEX (256u << 20)
#define MAX_SEARCH (1ull << 30) /* bytes of the index times files: half a second */

/* Join into @ret; -ENAMETOOLONG leaves it empty. An absolute @name stands for itself. */
static int join(const char *folder, const char *name, char ret[PATH_MAX])
{
	int n = *name == '/' ? snprintf(ret, PATH_MAX, "%s", name)
			     : snprintf(ret, PATH_MAX, "%s/%s", folder, name);

	if (n < PATH_MAX)
		return 0;
	ret[0] = '\0';
	return -ENAMETOOLONG;
}

/* A file of one line, without its end. */
static int read_line(const char *folder, const char *name, char **ret_line)
{
	char path[PATH_MAX];
	size_t len;
	int rc;

	rc = join(folder, name, path);
	if (!rc)
		rc = file_read(AT_FDCWD, path, path, SMALL, 0, ret_line, &len, NULL);
	if (!rc)
		(*ret_line)[strcspn(*ret_line, "\r\n")] = '\0';
	return rc;
}

int git_hex(const char *text)
{
	int len = (int)strspn(text, "0123456789abcdef");

	if (len != 40 && len != 64)
		return 0;
	return text[len] == '\0' || text[len] == '\n' || text[len] == '/' ? len : 0;
}

/* .git is a folder, or a file "gitdir: PATH" in a linked work tree. */
static int open_dot_git(struct git *git)
{
	auto_free char *link = NULL, *common = NULL;
	char path[PATH_MAX];
	struct stat st;
	int rc;

	rc = join(git->tree, ".git", path);
	if (rc)
		return rc;
	if (stat(path, &st))
		return -ENOENT;
	if (S_ISDIR(st.st_mode)) {
		strcpy(git->dir, path);
	} else {
		rc = read_line(git->tree, ".git", &link);
		if (rc || strncmp(link, "gitdir: ", 8))
			return -ENOENT;
		rc = join(git->tree, link + 8, git->dir);
		if (rc)
			return rc;
	}
	if (join(git->dir, "HEAD", path) || access(path, F_OK))
		return -ENOENT;
	if (!read_line(git->dir, "commondir", &common))
		return join(git->dir, common, git->common);
	strcpy(git->common, git->dir);
	return 0;
}

int git_find(const char *path, struct git *ret_git)
{
	struct git git = {};
	char *slash;

	if (*path != '/' || join("", path, git.tree))
		return -ENOENT;
	for (;;) {
		if (!open_dot_git(&git)) {
			*ret_git = git;
			return 0;
		}
		slash = strrchr(git.tree, '/');
		if (!slash || slash == git.tree)
			return -ENOENT;
		*slash = '\0';
	}
}

bool git_is_busy(const struct git *git)
{
	char path[PATH_MAX];

	return !join(git->dir, "index.lock", path) && !access(path, F_OK);
}

/* Lines "COMMIT REF", with '#' and '^' lines between. */
static int packed_ref(const struct git *git, char ret_commit[65])
{
	auto_free char *text = NULL;
	char path[PATH_MAX], *rest, *line;
	size_t len;

	if (join(git->common, "packed-refs", path) ||
	    file_read(AT_FDCWD, path, path, MAX_REFS, 0, &text, &len, NULL))
		return -ENOENT;
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		char *space = strchr(line, ' ');

		if (!space || strcmp(space + 1, git->ref))
			continue;
		*space = '\0';
		if (!git_hex(line))
			return -ENOENT;
		snprintf(ret_commit, 65, "%s", line);
		return 0;
	}
	return -ENOENT;
}

int git_commit(struct git *git, char ret_commit[65])
{
	auto_free char *head = NULL, *ref = NULL;

	git->ref[0] = '\0';
	if (read_line(git->dir, "HEAD", &head))
		return -ENOENT;
	if (git_hex(head)) {
		snprintf(ret_commit, 65, "%s", head);
		return 0;
	}
	if (strncmp(head, "ref: ", 5) || strlen(head + 5) >= sizeof(git->ref) ||
	    strstr(head, ".."))
		return -ENOENT;
	strcpy(git->ref, head + 5);
	if (!read_line(git->common, git->ref, &ref) && git_hex(ref)) {
		snprintf(ret_commit, 65, "%s", ref);
		return 0;
	}
	return packed_ref(git, ret_commit);
}

/* An entry of the index before its name: stat fields of 4 bytes each, the object id, 2 of flags. */
#define ENTRY_MTIME 8
#define ENTRY_SIZE 36
#define ENTRY_ID 40

struct index {
	const char *text;
	size_t len;
	size_t head; /* bytes of an entry before its name */
};

static uint32_t number_at(const char *p)
{
	uint32_t n;

	memcpy(&n, p, sizeof(n));
	return be32toh(n);
}

/* The entry of @name, NULL if there is none. */
static const char *find_entry(const struct index *index, const char *name)
{
	const char *at = index->text + index->head, *end = index->text + index->len;
	size_t len = strlen(name);

	/* The byte before a name is the low one of its length: not so in the middle of a longer. */
	for (; at < end && (at = memmem(at, (size_t)(end - at), name, len + 1)); at++)
		if ((unsigned char)at[-1] == (len & 0xff))
			return at - index->head;
	return NULL;
}

static bool is_clean(const struct index *index, const char *name, const struct stat *st)
{
	const char *entry = find_entry(index, name);

	if (!entry)
		return false;
	return number_at(entry + ENTRY_SIZE) == (uint32_t)st->st_size &&
	       number_at(entry + ENTRY_MTIME) == (uint32_t)st->st_mtim.tv_sec &&
	       number_at(entry + ENTRY_MTIME + 4) == (uint32_t)st->st_mtim.tv_nsec;
}

bool git_is_clean(const struct git *git, const char *commit, int root, const char *folder,
		  const char *const *names, size_t n)
{
	size_t tree = strlen(git->tree);
	struct index index = { .head = ENTRY_ID + strlen(commit) / 2 + 2 };
	auto_free char *text = NULL;
	char path[PATH_MAX];
	struct stat st;

	if (join(git->dir, "index", path) ||
	    file_read(AT_FDCWD, path, path, MAX_INDEX, 0, &text, &index.len, NULL))
		return false;
	index.text = text;
	/* "DIRC" and a version of 4 bytes. Versions 2 and 3 hold whole names, ended by NUL. */
	if (index.len < 12 + index.head || memcmp(text, "DIRC\0\0\0", 7) ||
	    (text[7] != 2 && text[7] != 3))
		return false;
	if (index.len * n > MAX_SEARCH)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (join(folder, names[i], path) || strncmp(path, git->tree, tree) ||
		    path[tree] != '/' || fstatat(root, names[i], &st, 0) ||
		    !is_clean(&index, path + tree + 1, &st))
			return false;
	}
	return true;
}
