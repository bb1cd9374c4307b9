# SPDX-License-Identifier: MIT
# The store's peers: the driver with one store each, build/bench/store/peers/NAME. A peer whose
# headers are missing is not built, and the bench skips it by name.

has = $(shell printf '\#include <$(1)>\n' | $(2) -E - >/dev/null 2>&1 && echo yes)
ifneq ($(filter bench bench-%,$(MAKECMDGOALS)),)
STORE_PEERS := ours ours_huge shmfile memcached
ifeq ($(call has,lmdb.h,$(CC)),yes)
STORE_PEERS += lmdb
endif
ifeq ($(call has,hiredis/hiredis.h,$(CC)),yes)
STORE_PEERS += redis
endif
ifeq ($(call has,boost/interprocess/managed_shared_memory.hpp,$(CXX) -x c++),yes)
STORE_PEERS += boost boost_deferred
endif
endif
STORE_PEERS := $(STORE_PEERS:%=$(O)/bench/store/peers/%)

.SECONDARY: $(STORE_PEERS:$(O)/%=$(O)/obj/%.o) $(O)/obj/bench/store/driver.o

$(O)/obj/bench/store/%.o: bench/store/%.c
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(call compile,-Icommon -Ilibobjstore/include)

$(O)/obj/bench/store/%.o: bench/store/%.cc
	@mkdir -p $(@D)
	$(say) CXX $<
	$(Q)$(CXX) -std=c++17 -O2 -g -Wall -MMD -MP -c -o $@ $<

$(O)/bench/store/peers/%: $(O)/obj/bench/store/peers/%.o $(O)/obj/bench/store/driver.o $(libobjstore.a)
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(if $(filter boost%,$*),$(CXX),$(CC)) -o $@ $^ $(BASE_LDFLAGS) $(LDFLAGS) $(libobjstore.libs) \
	  $(if $(filter lmdb,$*),-llmdb) $(if $(filter redis,$*),-lhiredis) -lrt -lm
