/*
 * What the shells run at a Tab: they ask `bygone complete`, which knows the commands, options, volumes and
 * snapshots. None of them evaluates what has been typed.
 */

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

export const shellScripts: Record<Shell, string> = {
  // The program gets the line whole: bash has split its words at colons and @ already.
  bash: `# Completion of bygone for bash.
_bygone() {
  mapfile -t COMPREPLY < <(
    command bygone complete bash -- "\${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null
  )
}
complete -o nospace -F _bygone bygone
`,
  zsh: `#compdef bygone
# Completion of bygone for zsh.
_bygone() {
  local kind value description
  local -a whole open
  while IFS=$'\\t' read -r kind value description; do
    if [[ $kind == open ]]; then
      open+=("$value")
    else
      whole+=("\${value//:/\\\\:}:$description")
    fi
  done < <(
    command bygone complete zsh -- "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null
  )
  local result=1
  (( $#whole )) && _describe -V -t bygone bygone whole && result=0
  (( $#open )) && compadd -S '' -a open && result=0
  return result
}
if [[ $funcstack[1] == _bygone ]]; then
  _bygone "$@"
else
  compdef _bygone bygone
fi
`,
  fish: `# Completion of bygone for fish.
function __bygone_complete
    set -l words (commandline -opc)
    set -e words[1]
    set -l typed (commandline -ct)
    command bygone complete fish -- $words "$typed" 2>/dev/null
end
complete -c bygone -f -k -a '(__bygone_complete)'
`,
}
