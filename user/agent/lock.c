/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The lock of an instance: an OFD lock on a file in run_dir that also says who holds it. */
#include "agent/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/defs.h"

static char *path_of(const struct config *config, const char *suffix)
{
	char *path;

	return asprintf(&path, "%s/%s.%s", config->run_dir, config->instance, suffix) < 0 ? NULL : path;
}

char *lock_socket_path(const struct config *config)
{
	return path_of(config, "sock");
}

static pid_t read_pid(int fd)
{
	char text[24] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		return 0;
	return atoi(text);
}

/* The whole file; of the open file description, so that asking needs no lock of one's own. */
static struct flock whole(void)
{
	return (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET };
}

/* The threads of a killed agent hold its files for some milliseconds after it looks dead. */
static int set_lock(int fd)
{
	struct timespec step = { .tv_nsec = 20 * 1000000 };
	struct flock lock = whole();
	int code = -1;

	for (int i = 0; i < 10 && code; i++) {
		if (i)
			nanosleep(&step, NULL);
		code = fcntl(fd, F_OFD_SETLK, &lock);
		if (code && errno != EAGAIN && errno != EACCES)
			break;
	}
	return code;
}

/* -EALREADY without a sentence: *ret_holder has it. */
static int take_file(const struct config *config, const char *path, int *ret_fd, pid_t *ret_holder,
		     struct err *err)
{
	auto_close int fd = -1;
	struct stat st;
	int code;

	if (mkdir(config->run_dir, 0755) && errno != EEXIST) {
		code = -errno;
		return err_set(err, code, "run_dir %s cannot be made: %s", config->run_dir,
			       strerror(-code));
	}
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0) {
		code = -errno;
		return err_set(err, code, "lock file %s cannot be opened: %s", path, strerror(-code));
	}
	if (set_lock(fd)) {
		if (errno != EAGAIN && errno != EACCES) {
			code = -errno;
			return err_set(err, code, "lock file %s: %s", path, strerror(-code));
		}
		*ret_holder = read_pid(fd);
		return -EALREADY;
	}
	/* A holder that purged has unlinked what was opened here: such a lock excludes nobody. */
	if (fstat(fd, &st) || !st.st_nlink)
		return err_set(err, -EAGAIN, "lock file %s was removed just now: try again", path);
	if (ftruncate(fd, 0) || dprintf(fd, "%d\n", getpid()) < 0) {
		code = -errno;
		return err_set(err, code, "lock file %s cannot be written: %s", path, strerror(-code));
	}
	*ret_fd = take_fd(fd);
	return 0;
}

int lock_take(const struct config *config, int *ret_fd, struct err *err)
{
	auto_free char *path = path_of(config, "lock");
	pid_t holder;
	int code;

	if (!path)
		return err_set(err, -ENOMEM, "out of memory");
	code = take_file(config, path, ret_fd, &holder, err);
	if (code == -EALREADY)
		return err_set(err, code,
			       "instance \"%s\" is in use by process %d (lock %s): stop that one first, "
			       "or give this one another instance name", config->instance, holder, path);
	return code;
}

int lock_take_events(const struct config *config, int *ret_fd, struct err *err)
{
	auto_free char *path = path_of(config, "monitor");
	pid_t holder;
	int code;

	if (!path)
		return err_set(err, -ENOMEM, "out of memory");
	code = take_file(config, path, ret_fd, &holder, err);
	if (code == -EALREADY)
		return err_set(err, code,
			       "xm_events is being read by process %d (lock %s), and each event goes to one "
			       "reader: end that one first", holder, path);
	return code;
}

pid_t lock_holder(const struct config *config)
{
	auto_free char *path = path_of(config, "lock");
	auto_close int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
	struct flock lock = whole();

	if (fd < 0 || fcntl(fd, F_OFD_GETLK, &lock) || lock.l_type == F_UNLCK)
		return 0;
	return read_pid(fd);
}

void lock_remove(const struct config *config)
{
	auto_free char *lock = path_of(config, "lock");
	auto_free char *sock = path_of(config, "sock");
	auto_free char *monitor = path_of(config, "monitor");

	if (monitor)
		unlink(monitor);
	if (sock)
		unlink(sock);
	if (lock)
		unlink(lock);
}
