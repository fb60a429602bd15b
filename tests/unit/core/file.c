/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading what another party put into a directory: files, and what only looks like one. */
#include "unit/core/rows.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"

static char root[] = "/tmp/xmesh-file-XXXXXX";
static int dirfd_of_tree;

static void put(const char *path, const char *text, size_t len)
{
	int fd = openat(dirfd_of_tree, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len)
		abort();
	close(fd);
}

/* root/tree/{file,...} and root/outside; dirfd_of_tree is root/tree. */
static void make_tree(void)
{
	char path[128];

	if (!mkdtemp(root))
		abort();
	snprintf(path, sizeof(path), "%s/tree", root);
	if (mkdir(path, 0700))
		abort();
	dirfd_of_tree = open(path, O_RDONLY | O_DIRECTORY);
	put("file", "hello", 5);
	put("empty", "", 0);
	put("ten", "0123456789", 10);
	put("nul", "a\0b", 3);
	put("../outside", "secret", 6);
	if (mkdirat(dirfd_of_tree, "dir", 0700) || mkfifoat(dirfd_of_tree, "fifo", 0600) ||
	    symlinkat("file", dirfd_of_tree, "link") ||
	    symlinkat("../outside", dirfd_of_tree, "out") ||
	    symlinkat("/etc/hostname", dirfd_of_tree, "absolute") ||
	    symlinkat("loop2", dirfd_of_tree, "loop") ||
	    symlinkat("loop", dirfd_of_tree, "loop2") ||
	    symlinkat("nowhere", dirfd_of_tree, "dangling"))
		abort();
}

static void remove_tree(void)
{
	static const char *const files[] = { "file", "empty", "ten", "nul", "../outside", "fifo",
					     "link", "out", "absolute", "loop", "loop2",
					     "dangling", "big" };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlinkat(dirfd_of_tree, files[i], 0);
	unlinkat(dirfd_of_tree, "dir", AT_REMOVEDIR);
	unlinkat(dirfd_of_tree, "../tree", AT_REMOVEDIR);
	close(dirfd_of_tree);
	rmdir(root);
}

static const struct file_row {
	const char *name, *path;
	size_t limit;
	int beneath, rc;
	const char *says; /* or the text */
} file_rows[] = {
	{ "file: a regular one", "file", 100, 1, 0, "hello" },
	{ "file: an empty one", "empty", 100, 1, 0, "" },
	{ "file: a link within the tree", "link", 100, 1, 0, "hello" },
	{ "file: a link out of the tree, where that is allowed", "out", 100, 0, 0, "secret" },
	{ "file: as large as the limit", "ten", 10, 1, 0, "0123456789" },
	{ "file: one byte larger than the limit", "ten", 9, 1, -EFBIG, "larger than the 9 bytes" },
	{ "file: a link out of the tree", "out", 100, 1, -EXDEV, "leads out of the directory" },
	{ "file: an absolute link", "absolute", 100, 1, -EXDEV, "leads out of the directory" },
	{ "file: dots out of the tree", "../outside", 100, 1, -EXDEV, "leads out" },
	{ "file: a loop of links", "loop", 100, 1, -ELOOP, "loop of symbolic links" },
	{ "file: a link to nothing", "dangling", 100, 1, -ENOENT, "no such file" },
	{ "file: nothing", "nothing", 100, 1, -ENOENT, "NAME: no such file" },
	{ "file: a directory", "dir", 100, 1, -EINVAL, "not a regular file" },
	{ "file: a FIFO does not hang", "fifo", 100, 1, -EINVAL, "not a regular file" },
	{ "file: a device", "/dev/zero", 100, 0, -EINVAL, "not a regular file" },
};

static void run_file(void **state)
{
	const struct file_row *row = *state;
	char *text = NULL;
	size_t len = 0;
	struct err err;

	assert_int_equal(file_read(dirfd_of_tree, row->path, "NAME", row->limit, row->beneath,
				   &text, &len, &err), row->rc);
	if (row->rc) {
		assert_null(text);
		assert_non_null(strstr(err.text, row->says));
		return;
	}
	assert_int_equal(len, strlen(row->says));
	assert_string_equal(text, row->says);
	free(text);
}

static void nuls_are_counted(void **state)
{
	char *text;
	size_t len;

	assert_int_equal(file_read(dirfd_of_tree, "nul", "n", 100, 1, &text, &len, NULL), 0);
	assert_int_equal(len, 3);
	assert_memory_equal(text, "a\0b", 4);
	free(text);
}

static void a_gigabyte_is_refused_by_its_size_alone(void **state)
{
	char *text = NULL;
	size_t len;
	struct err err;
	int fd = openat(dirfd_of_tree, "big", O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 1 << 30), 0);
	close(fd);
	assert_int_equal(file_read(dirfd_of_tree, "big", "n", 1 << 20, 1, &text, &len, &err),
			 -EFBIG);
	assert_null(text);
}

static void a_file_without_a_size_is_read_to_its_end(void **state)
{
	char *text;
	size_t len;

	/* /proc says 0 bytes. */
	assert_int_equal(file_read(AT_FDCWD, "/proc/self/status", "n", 1 << 20, 0, &text, &len,
				   NULL), 0);
	assert_true(len > 100);
	assert_int_equal(text[len], 0);
	free(text);
	text = NULL;
	assert_int_equal(file_read(AT_FDCWD, "/proc/self/status", "n", 100, 0, &text, &len, NULL),
			 -EFBIG);
	assert_null(text);
}

int main(void)
{
	static struct rows rows;
	int rc;

	make_tree();
	ROWS_ADD_TABLE(&rows, run_file, file_rows);
	ROWS_ADD_TEST(&rows, nuls_are_counted);
	ROWS_ADD_TEST(&rows, a_gigabyte_is_refused_by_its_size_alone);
	ROWS_ADD_TEST(&rows, a_file_without_a_size_is_read_to_its_end);
	rc = rows_run("file", &rows);
	remove_tree();
	return rc;
}
