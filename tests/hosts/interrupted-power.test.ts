import { interruptions } from "./interruptions.ts";

interruptions("the host loses its power");
