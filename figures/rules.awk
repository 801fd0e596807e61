# Make rules from the table of figures/README.md: awk -f figures/rules.awk figures/README.md
# A row "| `fig3` | paper | `mfsym sweep sims/fig3.toml -o results/fig3.nc -j 2` | `figures/fig3.py` |" gives
# a rule for results/fig3.nc, one for figures/out/fig3.pdf, and adds the latter to DRAWN_paper.
BEGIN { FS = " *\\| *" }

$5 ~ /^`figures\// {
  gsub(/`/, "")
  file = $2; size = $3; script = $5
  count = split($4, commands, "<br>")
  needs = ""
  for (k = 1; k <= count; k++) {
    command = commands[k]
    result = sims = ""
    words = split(command, word, " ")
    for (w = 1; w <= words; w++) {
      if (word[w] ~ /^results\//) result = word[w]
      if (word[w] ~ /^sims\//) sims = word[w]
    }
    needs = needs " " result
    if (result in known) continue
    known[result] = 1
    sub(/^mfsym /, "$(MFSYM) ", command)
    sub(/-j 2/, "-j $(JOBS)", command)
    printf "%s: %s | $(VENV)/.base\n\t@mkdir -p results\n\t%s\n\n", result, sims, command
  }
  module = script
  sub(/^figures\//, "mfsym/figures/", module)
  pdf = "figures/out/" file ".pdf"
  printf "DRAWN_%s += %s\nMODULES += %s\n", size, pdf, module
  printf "%s:%s %s $(wildcard %s) $(DRAWING)\n", pdf, needs, script, module
  printf "\t@mkdir -p figures/out && echo \"%s%s\"\n\t@$(BIN)/python %s%s $@\n\n", script, needs, script, needs
}
