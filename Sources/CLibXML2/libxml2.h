/* SPDX-License-Identifier: Apache-2.0 */
/* What the plugin xmppout uses of libxml2: its push parsers for XML and HTML. */
#ifndef HOSTD_CLIBXML2_H
#define HOSTD_CLIBXML2_H
#include <libxml/HTMLparser.h>
#include <libxml/parser.h>
#include <libxml/xmlerror.h>
#endif
