# SPDX-License-Identifier: MIT
# `make help` says what there is. One Makefile, not recursive, but for the two commands that
# may first have to install a compiler: demo and test.

.DEFAULT_GOAL := all
include common.mk
include libobjstore/module.mk libsched/module.mk libforest/module.mk

# ---- libraries: build/lib/libX.a, libX.so.0 ------------------------------------------------
# X.a is one object whose hidden names are made local, so that linking it brings in the public
# names and nothing else. Tests link X-test.a instead: all names, with the kill points in.
# What X.whole says is for X as a whole: it is then optimized across its files.

define library
$(1).version := $$(call version_of,$$($(1).header),$$($(1).macro))
$(1).obj     := $$($(1).src:%.c=$(O)/obj/%.o)
$(1).testobj := $$($(1).src:%.c=$(O)/testobj/%.o)
$(1).a       := $(O)/lib/$(1).a
$(1).so      := $(O)/lib/$(1).so.$$($(1).version)
OBJS += $$($(1).obj) $$($(1).testobj)

$$($(1).obj): $(O)/obj/%.o: %.c
	@mkdir -p $$(@D)
	$$(say) CC $$<
	$$(Q)$$(call compile,-Icommon -I$(1)/include $$($(1).cflags) $$($(1).whole))

$$($(1).testobj): $(O)/testobj/%.o: %.c
	@mkdir -p $$(@D)
	$$(say) CC "$$< (test)"
	$$(Q)$$(call compile,-DTEST_POINTS -Icommon -I$(1)/include $$($(1).cflags))

$$($(1).a): $$($(1).obj)
	@mkdir -p $$(@D)
	$$(say) AR $$@
	$$(Q)rm -f $$@ && $$(if $$($(1).whole),$(CC) $$($(1).whole) $(WHOLE_LD) -r -nostdlib,$(LD) -r) \
	  -o $(O)/obj/$(1).o $$^ && \
	  $(OBJCOPY) --localize-hidden $(O)/obj/$(1).o && $(AR) rcs $$@ $(O)/obj/$(1).o

$(O)/lib/$(1)-test.a: $$($(1).testobj)
	@mkdir -p $$(@D)
	$$(say) AR $$@
	$$(Q)rm -f $$@ && $(AR) rcs $$@ $$^

$$($(1).so): $$($(1).obj) $(1)/$$($(1).name).map
	@mkdir -p $$(@D)
	$$(say) LD $$@
	$$(Q)$(CC) $$($(1).whole) -shared -o $$@ $$($(1).obj) -Wl,-soname,$(1).so.0 \
	  -Wl,--version-script,$(1)/$$($(1).name).map $(if $(SAN),,-Wl$(comma)-z$(comma)defs) \
	  $(BASE_LDFLAGS) $$(LDFLAGS) $$($(1).libs)
	$$(Q)ln -sf $$(@F) $(O)/lib/$(1).so.0 && ln -sf $$(@F) $(O)/lib/$(1).so

$(O)/lib/pkgconfig/$(1).pc: $(1)/$(1).pc.in $$($(1).header) common.mk
	@mkdir -p $$(@D)
	$$(Q)sed -e 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@INCLUDEDIR@|$(INCLUDEDIR)|' \
	  -e 's|@VERSION@|$$($(1).version)|; s|@LIBS@|$$($(1).libs)|' $$< > $$@

.PHONY: $(1)
$(1): $$($(1).a) $$($(1).so) ## Build one library alone
endef
comma := ,
$(foreach lib,$(LIBS_ALL),$(eval $(call library,$(lib))))

# ---- tools: build/bin -----------------------------------------------------------------------

TOOL_LIB := $(patsubst %.c,$(O)/obj/%.o,$(wildcard tools/lib/*.c))
OBJS += $(TOOL_LIB)
comma := ,
# $(call tool,name,libraries,what else it links)
define tool
$(1).obj := $$(patsubst %.c,$(O)/obj/%.o,$$(wildcard tools/$(1)/*.c))
OBJS += $$($(1).obj)
ifneq ($$($(1).obj),)
TOOLS += $(O)/bin/$(1)
endif
$(O)/bin/$(1): $$($(1).obj) $(TOOL_LIB) $(foreach l,$(2),$(O)/lib/$(l).a)
	@mkdir -p $$(@D)
	$$(say) LD $$@
	$$(Q)$(CC) -o $$@ $$^ $(BASE_LDFLAGS) $$(LDFLAGS) $(foreach l,$(2),$$($(l).libs)) $(3) -lm
endef
$(eval $(call tool,objstore,libobjstore))
# Plug-ins call the library that is in the tool.
$(eval $(call tool,sched,libsched,-Wl$$(comma)--export-dynamic -Wl$$(comma)-u$$(comma)wsched_task_payload -ldl))
$(eval $(call tool,forest,libobjstore libsched libforest,-llz4 -lz))

$(O)/obj/tools/%.o: tools/%.c
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(call compile,-Icommon -Itools/lib $(foreach l,$(LIBS_ALL),-I$(l)/include))

# A helper of the demo: verifies and converts the California housing data.
HOUSING := $(O)/libexec/housing
$(HOUSING): $(O)/obj/tools/data/housing.o
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) -o $@ $^ $(BASE_LDFLAGS) $(LDFLAGS) -lm
OBJS += $(O)/obj/tools/data/housing.o

# ---- tests, examples and benches: each .c is a program ----------------------------------------
# tests/<lib>/test_x.c links that library's -test.a; test_api_x.c its .so, as a user would.
# tests/tools/test_x.c links tools/lib. Other .c files of a test folder are an archive for all of its
# programs, which take from it what they call.

TEST_SUPPORT := $(patsubst %.c,$(O)/obj/%.o,$(wildcard tests/support/*.c))
OBJS += $(TEST_SUPPORT)
TESTS :=
define test_folder
tests/$(1).helpobj := $$(patsubst %.c,$(O)/obj/%.o,$$(filter-out $$(wildcard tests/$(1)/test_*.c),$$(wildcard tests/$(1)/*.c)))
tests/$(1).help := $(TEST_SUPPORT) $$(if $$(tests/$(1).helpobj),$(O)/tests/$(1)/help.a)
$(1).tests := $$(patsubst tests/$(1)/%.c,$(O)/tests/$(1)/%,$$(wildcard tests/$(1)/test_*.c))
TESTS += $$($(1).tests)
OBJS += $$(tests/$(1).helpobj) $$(patsubst tests/$(1)/%.c,$(O)/obj/tests/$(1)/%.o,$$(wildcard tests/$(1)/test_*.c))
$(O)/tests/$(1)/help.a: $$(tests/$(1).helpobj)
	@mkdir -p $$(@D)
	$$(Q)rm -f $$@ && $(AR) rcs $$@ $$^
$$(filter-out $(O)/tests/$(1)/test_api%,$$($(1).tests)): $(O)/tests/$(1)/%: $(O)/obj/tests/$(1)/%.o $$(tests/$(1).help) $(2)
	@mkdir -p $$(@D)
	$$(say) LD $$@
	$$(Q)$(CC) -o $$@ $$^ $(BASE_LDFLAGS) $$(LDFLAGS) -lcunit -ldl $$($(3).libs) -lm
$$(filter $(O)/tests/$(1)/test_api%,$$($(1).tests)): $(O)/tests/$(1)/%: $(O)/obj/tests/$(1)/%.o $$(tests/$(1).help) $$($(3).so)
	@mkdir -p $$(@D)
	$$(say) LD $$@
	$$(Q)$(CC) -o $$@ $$^ $(BASE_LDFLAGS) $$(LDFLAGS) -Wl,-rpath,$(CURDIR)/$(O)/lib -lcunit -lm
endef
$(eval $(call test_folder,objstore,$(O)/lib/libobjstore-test.a,libobjstore))
$(eval $(call test_folder,sched,$(O)/lib/libsched-test.a,libsched))
$(eval $(call test_folder,forest,$(O)/lib/libforest-test.a,libforest))
$(eval $(call test_folder,tools,$(TOOL_LIB),))

# Fuzzing of all that libforest and its tool read; what the tool reads is in its objects.
FUZZ_FOREST_PARTS := read_json write_json write_c paramtext options columns
FUZZ_FOREST := $(O)/tests/fuzz/forest_fuzz
TESTS += $(FUZZ_FOREST)
OBJS += $(O)/obj/tests/fuzz/forest_fuzz.o
$(FUZZ_FOREST): $(O)/obj/tests/fuzz/forest_fuzz.o $(FUZZ_FOREST_PARTS:%=$(O)/obj/tools/forest/%.o) $(TOOL_LIB) $(O)/lib/libforest-test.a
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) -o $@ $^ $(BASE_LDFLAGS) $(LDFLAGS) -lm

$(O)/obj/tests/%.o: tests/%.c
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(call compile,-DTEST_POINTS -Icommon -Itests/support -Itools/lib $(foreach l,$(LIBS_ALL),-I$(l)/include -I$(l)/src))

EXAMPLES :=
define examples
$(1).examples := $$(patsubst $(1)/examples/%.c,$(O)/examples/%,$$(wildcard $(1)/examples/*.c))
EXAMPLES += $$($(1).examples)
$$($(1).examples): $(O)/examples/%: $(1)/examples/%.c $$($(1).a)
	@mkdir -p $$(@D)
	$$(say) CC $$@
	$$(Q)$(CC) $(BASE_CFLAGS) -I$(1)/include $$(CPPFLAGS) $$(CFLAGS) -o $$@ $$^ $(BASE_LDFLAGS) $$(LDFLAGS) $$($(1).libs)
endef
$(foreach lib,$(LIBS_ALL),$(eval $(call examples,$(lib))))

# Those of several libraries together.
TOGETHER := $(patsubst %.c,$(O)/%,$(wildcard examples/*.c))
EXAMPLES += $(TOGETHER)
$(TOGETHER): $(O)/%: %.c $(foreach l,$(LIBS_ALL),$($(l).a))
	@mkdir -p $(@D)
	$(say) CC $@
	$(Q)$(CC) $(BASE_CFLAGS) $(foreach l,$(LIBS_ALL),-I$(l)/include) $(CPPFLAGS) $(CFLAGS) -o $@ $^ $(BASE_LDFLAGS) $(LDFLAGS) $(foreach l,$(LIBS_ALL),$($(l).libs))

# bench/<suite>/x.c is the program build/bench/<suite>/x, linked to the static libraries.
BENCHES := $(patsubst bench/%.c,$(O)/bench/%,$(filter-out %/driver.c,$(wildcard bench/store/*.c bench/sched/*.c bench/forest/*.c)))
$(BENCHES): $(O)/bench/%: bench/%.c $(foreach l,$(LIBS_ALL),$($(l).a)) $(TOOL_LIB)
	@mkdir -p $(@D)
	$(say) CC $@
	$(Q)$(CC) $(BASE_CFLAGS) -Icommon -Itools/lib $(foreach l,$(LIBS_ALL),-I$(l)/include) $(CPPFLAGS) $(CFLAGS) \
	  -o $@ $^ $(BASE_LDFLAGS) $(LDFLAGS) $(foreach l,$(LIBS_ALL),$($(l).libs)) -lm

include bench/store/module.mk

# A build that nobody said -j to may use all processors.
all_cores = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

# ---- what people call ---------------------------------------------------------------------------

.PHONY: all demo test deps fuzz-forest install uninstall clean help check-layers coverage run-coverage bench chart bench-goals bench-sched bench-forest programs run-tests run-demo

all: $(foreach l,$(LIBS_ALL),$($(l).a) $($(l).so)) $(TOOLS) ## Build the libraries and the tools (build/lib, build/bin)

programs: all $(HOUSING) $(TESTS) $(EXAMPLES)

deps: ## Install what is missing to build and test (apt-get; through sudo when not root)
	@scripts/deps

demo: deps ## The headline job: 20 forests in parallel on California housing (DATA=file.csv to choose)
	@$(MAKE) --no-print-directory $(all_cores) run-demo

run-demo: all $(HOUSING)
	@scripts/demo $(O) $(DATA)

test: deps ## Build everything and run every test (SAN=address|undefined|thread, TEST=pattern)
	@$(MAKE) --no-print-directory $(all_cores) run-tests

run-tests: programs
	@tests/support/run.sh $(O) '$(TEST)' $(TESTS) $(EXAMPLES)

coverage: deps ## Run the tests and print which lines of the libraries they reach (TEST=pattern)
	@$(MAKE) --no-print-directory $(all_cores) BUILD=coverage run-coverage

run-coverage: programs
	@find $(O) -name '*.gcda' -delete
	@tests/support/run.sh $(O) '$(TEST)' $(TESTS) $(EXAMPLES) || echo 'coverage of a run that failed:'
	@scripts/coverage $(O) $(LIBS_ALL)

# With clang: libFuzzer makes the inputs. Ends at the first finding, or after FUZZ seconds (600).
fuzz-forest: $(FUZZ_FOREST) ## Fuzz what libforest and its tool read, with clang's libFuzzer (FUZZ=seconds)
	@mkdir -p build/fuzz/corpus && $(FUZZ_FOREST) --corpus build/fuzz/corpus
	clang -std=gnu11 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -DLIBFUZZER -ffp-contract=off \
	  -w -pthread -Icommon -Itools/lib $(foreach l,$(LIBS_ALL),-I$(l)/include) -Ilibforest/src -o build/fuzz/forest tests/fuzz/forest_fuzz.c \
	  $(libforest.src) $(filter-out tools/lib/timeline%,$(wildcard tools/lib/*.c)) $(FUZZ_FOREST_PARTS:%=tools/forest/%.c) -lm
	build/fuzz/forest -max_total_time=$${FUZZ:-600} -max_len=65536 build/fuzz/corpus

check-layers: ## Check that the libraries do not know each other
	@scripts/check-layers

bench: bench-store bench-sched bench-forest ## Run every bench (BENCH_QUICK=1: few rounds), and draw charts
	@$(MAKE) --no-print-directory chart

chart: ## Draw what the benches wrote: build/bench/*.svg
	@bench/chart.py $$(ls $(O)/bench/*.jsonl)

bench-goals: ## What the project wants to reach, and what the last benches reached
	@bench/goals.py $(O)/bench

bench-store: $(STORE_PEERS) $(addprefix $(O)/bench/store/,store_bench spill cache) ## The store against what else keeps bytes in memory, in one run
	@bench/store/run.sh $(O)

bench-deps: ## Install what the benches compare with (apt-get; through sudo when not root)
	@scripts/deps g++ liblmdb-dev libhiredis-dev redis-server memcached libboost-dev python3 python3-sklearn \
	  clang libomp-14-dev libtbb-dev openmpi-bin libopenmpi-dev python3-distributed \
	  python3-xgboost python3-joblib r-cran-ranger r-cran-randomforest

bench-sched: $(filter $(O)/bench/sched/%,$(BENCHES)) ## The scheduler against oneTBB, OpenMP, MPI, Python's pools and dask, in one run
	@bench/sched/run.sh $(O)

bench-forest: all $(filter $(O)/bench/forest/%,$(BENCHES)) ## Forests against scikit-learn, ranger, randomForest and XGBoost, in one run
	@bench/forest/run.sh $(O) $(DATA)

install: all $(foreach l,$(LIBS_ALL),$(O)/lib/pkgconfig/$(l).pc) ## Install to PREFIX (/usr/local), under DESTDIR
	@scripts/install $(O) "$(DESTDIR)" "$(BINDIR)" "$(LIBDIR)" "$(INCLUDEDIR)" "$(MANDIR)" "$(COMPLETIONDIR)"

uninstall: ## Take away what install put there
	@scripts/install --remove $(O) "$(DESTDIR)" "$(BINDIR)" "$(LIBDIR)" "$(INCLUDEDIR)" "$(MANDIR)" "$(COMPLETIONDIR)"

clean: ## Remove build/
	rm -rf build

help: ## Say what there is
	@echo 'make [target] [variable=value ...]'; echo
	@awk -F':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  %-14s %s\n", $$1, $$2}' Makefile
	@printf '  %-14s %s\n' 'lib<name>' 'Build one library alone: libobjstore, libsched, libforest'
	@echo; echo 'Variables: BUILD=release|debug|coverage  SAN=address|undefined|thread  V=1 (show commands)'
	@echo '           PREFIX DESTDIR LIBDIR CC CFLAGS CPPFLAGS LDFLAGS  DATA=california_housing.csv'

-include $(OBJS:.o=.d) $(wildcard $(O)/obj/bench/store/*.d $(O)/obj/bench/store/*/*.d)
