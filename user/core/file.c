/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Bounded reading of regular files. Not for: writing, watching or walking directories. */
#include "core/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "core/defs.h"

/* A rename that races with RESOLVE_BENEATH gives EAGAIN; more in a row are no accident. */
#define OPEN_TRIES 16

static int open_file(int dirfd, const char *path, int beneath)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = beneath ? RESOLVE_BENEATH : 0,
	};
	long fd;
	int tries = 0;

	do {
		fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
	} while (fd < 0 && (errno == EINTR || (errno == EAGAIN && ++tries < OPEN_TRIES)));
	return fd < 0 ? -errno : (int)fd;
}

static int open_error(int code, const char *name, struct err *err)
{
	switch (code) {
	case -ELOOP:
		return err_set(err, code, "%s: a loop of symbolic links", name);
	case -EXDEV:
		return err_set(err, code,
			       "%s: a symbolic link leads out of the directory: put the file itself there",
			       name);
	case -ENXIO:
		return err_set(err, -EINVAL, "%s: not a regular file", name);
	case -EACCES:
	case -EPERM:
		return err_set(err, -EACCES, "%s: no permission to read it", name);
	case -ENOENT:
		return err_set(err, code, "%s: no such file", name);
	default:
		return err_set(err, code, "%s: cannot open it: %s", name, strerror(-code));
	}
}

static int too_large(const char *name, size_t limit, struct err *err)
{
	return err_set(err, -EFBIG, "%s: larger than the %zu bytes that are read at most", name,
		       limit);
}

int file_read(int dirfd, const char *path, const char *name, size_t limit, int beneath,
	      char **ret_text, size_t *ret_len, struct err *err)
{
	auto_free char *text = NULL;
	auto_close int fd = -1;
	size_t len = 0, room;
	struct stat st;
	ssize_t n;

	fd = open_file(dirfd, path, beneath);
	if (fd < 0)
		return open_error(fd, name, err);
	if (fstat(fd, &st))
		return err_set(err, -errno, "%s: cannot stat it: %s", name, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "%s: not a regular file", name);
	if (st.st_size > 0 && (size_t)st.st_size > limit)
		return too_large(name, limit, err);

	/* One byte more than it is said to have, so that a file that grew is noticed; one for NUL. */
	room = MAX((size_t)st.st_size, (size_t)4096) + 1;
	text = malloc(room + 1);
	if (!text)
		return err_set(err, -ENOMEM, "%s: out of memory", name);
	for (;;) {
		n = read(fd, text + len, room - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, -errno, "%s: cannot read it: %s", name, strerror(errno));
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > limit)
			return too_large(name, limit, err);
		if (len == room) {
			char *more = realloc(text, room * 2 + 1);

			if (!more)
				return err_set(err, -ENOMEM, "%s: out of memory", name);
			text = more;
			room *= 2;
		}
	}
	text[len] = '\0';
	*ret_len = len;
	*ret_text = take(text);
	return 0;
}
