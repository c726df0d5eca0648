// A text field that must say something.

import { z } from "zod";

export const text = z.string().refine((value) => value.trim().length > 0, "must not be empty");
