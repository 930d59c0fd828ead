import type { Preset } from '../../job.js';
import { claude } from './claude.js';
import { codex } from './codex.js';
import type { AgentProgram } from './program.js';

/** The programs that are known, by the name of their preset. */
export const PROGRAMS: Record<Preset, AgentProgram> = { codex, claude };
