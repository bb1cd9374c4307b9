# SPDX-License-Identifier: MIT
# Flags, variants and the rules that every part shares. Nothing here is specific to one library.

BUILD  ?= release
SAN    ?=
V      ?= 0

CC       ?= gcc
ifeq ($(origin CC),default)
CC       := gcc
endif
AR       ?= ar
LD       ?= ld
OBJCOPY  ?= objcopy
INSTALL  ?= install
SHELL    := /bin/bash

PREFIX      ?= /usr/local
BINDIR      ?= $(PREFIX)/bin
LIBDIR      ?= $(PREFIX)/lib
INCLUDEDIR  ?= $(PREFIX)/include
MANDIR      ?= $(PREFIX)/share/man
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions

# Variants never mix: each has its own tree. The plain release build is build/ itself.
ifneq ($(SAN),)
  ifeq ($(filter $(SAN),address undefined thread),)
    $(error SAN=$(SAN): use address, undefined or thread)
  endif
  O := build/$(SAN)
else ifeq ($(BUILD),release)
  O := build
else ifneq ($(filter $(BUILD),debug coverage),)
  O := build/$(BUILD)
else
  $(error BUILD=$(BUILD): use release, debug or coverage)
endif

OPT := -O2 -g
ifeq ($(BUILD),debug)
  OPT := -Og -g3 -DCHECK_LEVEL=2 -DXXH_NO_INLINE_HINTS=1
endif
ifeq ($(BUILD),coverage)
  OPT := -Og -g -DCOVERAGE -DXXH_NO_INLINE_HINTS=1 --coverage -fprofile-update=atomic
  SAN_LD := --coverage
endif
ifneq ($(SAN),)
  OPT := -O1 -g -fno-omit-frame-pointer -fsanitize=$(SAN) -DCHECK_LEVEL=2
  ifeq ($(SAN),thread)
    OPT += -Wno-tsan # it does not know fences; where that matters, the code says so
  endif
  ifeq ($(SAN),undefined)
    # what gcc leaves out of it, and differs by processor: a float that its integer cannot hold
    OPT += -fsanitize=float-cast-overflow -fno-sanitize-recover=undefined,float-cast-overflow
  endif
  SAN_LD := -fsanitize=$(SAN)
endif

WARN := -Wall -Wextra -Wshadow -Wundef -Wconversion -Wcast-qual -Wstrict-prototypes \
        -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wvla -Wformat=2 \
        -Wimplicit-fallthrough=5 -Wdouble-promotion -Wlogical-op -Wduplicated-cond
ifneq ($(CI),)
  WARN += -Werror
endif

# Ours first, the user's CFLAGS, CPPFLAGS and LDFLAGS last, so that they win.
BASE_CFLAGS := -std=gnu11 $(OPT) $(WARN) -fPIC -fvisibility=hidden -fno-common -pthread \
               -ffp-contract=off
BASE_LDFLAGS := -pthread -Wl,-z,relro,-z,now $(SAN_LD)

# Files for some processors say so themselves to gcc; clang has to be told.
ifneq ($(findstring clang,$(CC)),)
ifneq ($(findstring x86_64,$(shell $(CC) -dumpmachine)),)
  BASE_CFLAGS += -DVECTORS_BY_FLAGS -Wno-unknown-pragmas -Wno-unknown-warning-option
  VECTORS.avx2 := -mavx2 -mfma -mbmi -mbmi2 -mlzcnt -mpopcnt
  VECTORS.avx512 := $(VECTORS.avx2) -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vbmi \
                    -mavx512vbmi2 -mavx512vpopcntdq
endif
endif

ifeq ($(V),1)
  Q :=
  say :=
else
  Q := @
  say = @printf '  %-8s %s\n'
endif

# For a library of which each call goes through many files. Builds that are looked into do without.
WHOLE_LD := -flinker-output=nolto-rel
ifeq ($(O)$(findstring clang,$(CC)),build) # these options are gcc's
  WHOLE := -O3 -flto -flto-partition=one
endif

# $(call compile,flags): one .c to one .o, with its dependencies noted.
compile = $(CC) $(BASE_CFLAGS) $(1) -MMD -MP $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

# $(call version_of,header,PREFIX): MAJOR.MINOR.PATCH from a public header, the only source of it.
version_of = $(shell awk '/define $(2)_VERSION_(MAJOR|MINOR|PATCH)/ {v = v s $$3; s = "."} END {print v}' $(1))
