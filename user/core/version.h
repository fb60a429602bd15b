/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The version of this tree, read by the makefile, `xmesh version` and the man page test. */
#ifndef XMESH_CORE_VERSION_H
#define XMESH_CORE_VERSION_H

#define XMESH_VERSION "0.1.0"

#endif
