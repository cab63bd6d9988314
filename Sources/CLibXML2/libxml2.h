/* SPDX-License-Identifier: Apache-2.0 */
/* What the plugin xmppout uses of libxml2: its push parsers for XML and HTML. */
#ifndef HOSTD_CLIBXML2_H
#define HOSTD_CLIBXML2_H
#include <libxml/xmlversion.h>
/* Debian's headers pull in ICU's, of which Foundation has its own in another version: the two can't meet in one module.
 * What it hides is the tail of a struct that nobody here looks into. */
#undef LIBXML_ICU_ENABLED
#include <libxml/HTMLparser.h>
#include <libxml/parser.h>
#include <libxml/xmlerror.h>
#endif
