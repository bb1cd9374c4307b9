/* SPDX-License-Identifier: MIT */
/* boost_deferred.cc -- boost.cc, and a delete that readers need not stand in the way of. */
#define DEFERRED
#include "boost.cc"
