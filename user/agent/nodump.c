/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* See nodump.h. */
#include "agent/nodump.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "core/log.h"

void nodump(void)
{
	struct rlimit none = { 0, 0 };

	if (prctl(PR_SET_DUMPABLE, 0) || setrlimit(RLIMIT_CORE, &none))
		log_warn("core dumps of this process cannot be forbidden: %s", strerror(errno));
}
