/* SPDX-License-Identifier: Apache-2.0 */
#include "hostd_plugin.h"
